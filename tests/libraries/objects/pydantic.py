"""Models of pydantic."""

from __future__ import annotations

import datetime
from typing import Any

import pydantic

__all__ = ["OBJECTS", "check"]


class Model(pydantic.BaseModel):
    """With a default and a private attribute."""

    x: int
    y: list[float] = []
    _cache: dict[str, int] = pydantic.PrivateAttr(default_factory=dict)


class Nested(pydantic.BaseModel):
    """With a model in it."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)
    model: Model
    when: datetime.date


@pydantic.dataclasses.dataclass
class Record:
    """A dataclass that is checked."""

    x: int
    y: str = "a"


def private() -> Any:
    """Return a model with something in its private attribute."""
    made = Model(x=1)
    made._cache["a"] = 1
    return made


OBJECTS = {
    "model": lambda: Model(x=1, y=[0.5]),
    "default": lambda: Model(x=1),
    "private": private,
    "nested": lambda: Nested(model=Model(x=1), when="2020-01-01", other="z"),
    "dataclass": lambda: Record(1),
    "not checked": lambda: Model.model_construct(x="wrong"),
    "secret": lambda: pydantic.SecretStr("s"),
}


def check(found: Any, wanted: Any) -> None:
    """Compare as pydantic does, and which fields were given."""
    assert found == wanted
    if isinstance(wanted, pydantic.BaseModel):
        assert found.model_fields_set == wanted.model_fields_set
        assert found.__pydantic_extra__ == wanted.__pydantic_extra__
        assert found.__pydantic_private__ == wanted.__pydantic_private__

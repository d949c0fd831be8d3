"""Random generators of numpy: public constructors, then the state."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import NO_STATE, Attribute, Import, Reduced, Reduction
from persist.archive.registry import rule

__all__: list[str] = []


@rule("numpy.random._generator.Generator")
def reduce_generator(generator: Any) -> Reduced:
    """Reduce a generator to its source of bits."""
    return Reduction(type(generator), (generator.bit_generator,))


@rule("numpy.random.bit_generator.BitGenerator", subclasses=True)
def reduce_bit_generator(source: Any) -> Reduced:
    """Reduce a source of random bits to its seed and its state."""
    cls = type(source)
    if not cls.__module__.startswith("numpy.random."):
        return reduce_by_protocol(source)
    seed = getattr(source, "seed_seq", None) or getattr(source, "_seed_seq", None)
    return Reduction(cls, (0 if seed is None else seed,), slots={"state": source.state})


@rule("numpy.random.bit_generator.SeedSequence")
def reduce_seed_sequence(seed: Any) -> Reduced:
    """Reduce a sequence of seeds to its entropy and how often it has spawned."""
    defaults = {"spawn_key": (), "pool_size": 4, "n_children_spawned": 0}
    values = {name: getattr(seed, name) for name in defaults}
    kwargs = {name: value for name, value in values.items() if value != defaults[name]}
    return Reduction(Import("numpy.random", "SeedSequence"), (seed.entropy,), kwargs)


@rule("numpy.random.mtrand.RandomState")
def reduce_random_state(random: Any) -> Reduced:
    """Reduce a generator of old to its state; the one behind numpy.random to itself."""
    if random is numpy.random.rand.__self__:  # type: ignore[attr-defined]
        return Attribute(Import("numpy.random", "rand"), "__self__")
    state = random.get_state(legacy=False)
    function, setter = Import("numpy.random", "RandomState"), Attribute(type(random), "set_state")
    if state["bit_generator"] == "MT19937":
        # All numpy takes this form, also those before there were sources of bits.
        return Reduction(function, (0,), state=random.get_state(), setter=setter)
    source = random._bit_generator
    legacy = state if state["has_gauss"] else NO_STATE
    return Reduction(
        function, (source,), state=legacy, setter=setter if state["has_gauss"] else None
    )

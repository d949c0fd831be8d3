"""Where tests have stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Site"]


class Site(NamedTuple):
    """A folder or a URL, and the folder of the artifacts."""

    location: Path | str
    artifacts: Path

    @property
    def is_shared(self) -> bool:
        """Whether it is on a server."""
        return isinstance(self.location, str)

    def open(self, **options: Any) -> Any:
        """Open the store."""
        from persist.tracking import WorkspaceStore

        if self.is_shared:
            options["artifacts"] = self.artifacts
        return WorkspaceStore(self.location, **options)

"""Whose turn it is at a database: in the order in which they came, readers together."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import NamedTuple

from persist.errors import LockTimeout
from persist.files import FolderLock

__all__ = ["Queue", "Turn"]

_TICKET = re.compile(r"(?P<number>\d{12})\.(?P<kind>[rw])(?:-owner)?")
_PAUSE = 0.001  # s, for the next in line; those behind look less often
_LONGEST = 0.02  # s
_LOOK = 0.05  # s, between looks whether the first in line is alive
_MOMENT = 10.0  # s, for locks that are held for moments


class _Ticket(NamedTuple):
    number: int
    writes: bool


class Turn(NamedTuple):
    """A place in a queue, whose lock is held until it is released or its process dies."""

    queue: Queue
    ticket: _Ticket
    lock: FolderLock

    def is_wanted(self) -> bool:
        """Return True if another process or thread waits for this turn to end."""
        mine = self.ticket
        return any(
            other.number > mine.number and (mine.writes or other.writes)
            for other in self.queue.tickets()
        )

    def release(self) -> None:
        """End this turn."""
        if self.lock.is_held:
            self.lock.release()


@dataclass(frozen=True)
class Queue:
    """Tickets in a folder, one a file, each locked by its owner for as long as that lives.

    A writer's turn comes when all who came before have gone; a reader's when all writers among them
    have. So nobody is passed by, and nobody waits longer than those before him work.
    """

    folder: str

    def wait(self, *, writes: bool, timeout: float) -> Turn:
        """Wait for a turn, which nobody shares if it `writes`, for some time in s.

        Raises
        ------
        LockTimeout
            If those before do not finish in time.
        OSError
            If nothing can be written in the folder.
        """
        deadline = time.monotonic() + timeout
        os.makedirs(self.folder, exist_ok=True)
        with FolderLock(self.folder, name="order", timeout=_MOMENT):
            taken = self.tickets()
            ticket = _Ticket(taken[-1].number + 1 if taken else 1, writes)
            lock = self._lock(ticket)
            # Somebody may just be looking whether the last owner of this number is alive.
            lock.acquire(_MOMENT)
        try:
            next_look = time.monotonic() + _LOOK
            while ahead := [
                other
                for other in self.tickets()
                if other.number < ticket.number and (writes or other.writes)
            ]:
                now = time.monotonic()
                if now >= min(next_look, deadline):
                    next_look = now + _LOOK
                    try:
                        # If the owner died, the system released its lock; this removes the ticket.
                        with self._lock(ahead[0]):
                            continue
                    except LockTimeout as error:
                        if now >= deadline:
                            folder = os.path.dirname(self.folder)
                            raise LockTimeout(folder, error.pid, error.host, timeout) from None
                time.sleep(min(_PAUSE * len(ahead), _LONGEST, max(0.0, deadline - now)))
        except BaseException:
            lock.release()
            raise
        return Turn(self, ticket, lock)

    def tickets(self) -> list[_Ticket]:
        """Return the tickets, those of owners that died included, in order."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        matches = filter(None, map(_TICKET.fullmatch, names))
        return sorted({_Ticket(int(match["number"]), match["kind"] == "w") for match in matches})

    def _lock(self, ticket: _Ticket) -> FolderLock:
        name = f"{ticket.number:012d}.{'w' if ticket.writes else 'r'}"
        return FolderLock(self.folder, name=name, timeout=0, keep=False)

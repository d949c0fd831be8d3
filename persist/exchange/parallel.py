"""Several transfers at once: each waits for an answer most of its time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

__all__ = ["for_each"]

_Item = TypeVar("_Item")
_THREADS = 8


def for_each(
    work: Callable[[_Item], object],
    items: Iterable[_Item],
    done: Callable[[_Item], object] = lambda item: None,
) -> None:
    """Do some work for each item in threads; after an error, what has not begun is not done.

    `done` is called in this thread with each item whose work is done.
    """
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="transfer") as pool:
        futures = {pool.submit(work, item): item for item in items}
        try:
            for future in as_completed(futures):
                future.result()
                done(futures[future])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise

"""The next samples are prepared while a GPU computes the present samples."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(
    items: Iterable[Item], make: Callable[[Item], Made], device: torch.device
) -> Iterator[Made]:
    """make(item) of each item, in order.

    If the device is a GPU, a thread makes the next one while the caller uses the present one. On a
    CPU, both would need the same core.

    Args:
        items: the items.
        make: prepares an item; its errors reach the caller.
        device: the device of the caller's work.
    """
    if device.type == "cpu":
        yield from map(make, items)
        return
    with ThreadPoolExecutor(max_workers=1) as thread:
        waiting = None
        for item in items:
            following = thread.submit(make, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()

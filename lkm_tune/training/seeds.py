"""Seeds of everything that a network may draw from."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int, devices: Sequence[torch.device] | None = None) -> Iterator[None]:
    """Seeds the generators of torch, `numpy.random` and `random` for the length of a block.

    A user's own network may draw from any of them. After the block they are as they were.

    Args:
        seed: of all three.
        devices: GPUs whose generators are kept; None for all.
    """
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)

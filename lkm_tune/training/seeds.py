"""Seeds of the random generators that a network may use."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of an epoch of a run with `seed`."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0])


@contextmanager
def seeded(seed: int, gpus: Sequence[torch.device] = ()) -> Iterator[None]:
    """A context that seeds the generators of torch, `numpy.random` and `random`.

    A user's network may use any of them. After the context, their states are restored.

    Args:
        seed: the seed of all three generators.
        gpus: GPUs whose generators are restored. Torch would initialise every GPU otherwise.
    """
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(gpus):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)

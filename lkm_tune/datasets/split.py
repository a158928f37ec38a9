"""Which molecules are trained on, validated on and tested on."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lkm_tune.datasets.molecules import IntArray

Part = Literal["train", "val", "test"]

# Keeps the split's draws apart from those of any other generator with the same seed.
_STREAM = 0x73706C69


@dataclass(frozen=True, eq=False)
class Split:
    """Positions in the store of the three parts: no overlap, each in ascending order."""

    train: IntArray
    val: IntArray
    test: IntArray

    def part(self, name: Part) -> IntArray:
        """Returns the part of this name."""
        parts: dict[Part, IntArray] = {"train": self.train, "val": self.val, "test": self.test}
        return parts[name]


def split_molecules(
    n_molecules: int, n_train: int, n_val: int, n_test: int | None, seed: int
) -> Split:
    """Splits molecules at random, the same way every time.

    In one permutation, validation comes first, training follows it and grows towards the end,
    and test begins at the end. So for one seed and one `n_val`, a larger training part contains
    each smaller one while validation stays, and so does test where `n_test` is a number: curves
    at several sample sizes are measured on the same molecules.

    Args:
        n_molecules: How many there are.
        n_train: How many to train on, at least 1.
        n_val: How many to validate on, at least 1.
        n_test: How many to test on, at least 1; None for all that are left.
        seed: Of the permutation, not negative.

    Raises:
        ValueError: A number below its bound, or more molecules asked for than there are.
    """
    _check_sizes(n_molecules, n_train, n_val, n_test, seed)
    generator = np.random.Generator(np.random.PCG64([_STREAM, seed]))
    order = generator.permutation(n_molecules)
    first_test = n_val + n_train if n_test is None else n_molecules - n_test
    return Split(
        train=np.sort(order[n_val : n_val + n_train]),
        val=np.sort(order[:n_val]),
        test=np.sort(order[first_test:]),
    )


def _check_sizes(n_molecules: int, n_train: int, n_val: int, n_test: int | None, seed: int) -> None:
    sizes = {"n_train": n_train, "n_val": n_val, "n_test": 1 if n_test is None else n_test}
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, but is {size}")
    if seed < 0:
        raise ValueError(f"the seed of a split must not be negative, but is {seed}")
    asked = sum(sizes.values())
    if asked > n_molecules:
        rest = "1 (n_test: what is left)" if n_test is None else f"{n_test} (n_test)"
        raise ValueError(
            "n_train + n_val + n_test must not exceed the number of molecules, but "
            f"{n_train} + {n_val} + {rest} = {asked} > {n_molecules}"
        )

"""Which molecules are trained on, validated on and tested on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lkm_tune.datasets.molecules import IntArray

Part = Literal["train", "val", "test"]

PUBLISHED = "published-"
"""How the names of published splits begin."""

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
    order = _shuffled(np.arange(n_molecules), seed)
    first_test = n_val + n_train if n_test is None else n_molecules - n_test
    return Split(
        train=np.sort(order[n_val : n_val + n_train]),
        val=np.sort(order[:n_val]),
        test=np.sort(order[first_test:]),
    )


def grouped_split(
    groups: IntArray, n_train: int, n_val: int, n_test: int | None, seed: int
) -> Split:
    """Splits molecules at random so that those of one group are in one part.

    Where every molecule is its own group, this is `split_molecules`. Otherwise groups come in an
    order that the seed decides; validation takes whole groups from its front until it is full,
    then training, and test from its end. A group that does not fit is left to the next part.

    Args:
        groups: [M] number of each molecule's group, as that of its graph.
        n_train: How many to train on, at least 1.
        n_val: How many to validate on, at least 1.
        n_test: How many to test on, at least 1; None for all that are left.
        seed: Of the order, not negative.

    Raises:
        ValueError: A number below its bound, or more molecules asked for than there are.
    """
    if len(np.unique(groups)) == len(groups):
        return split_molecules(len(groups), n_train, n_val, n_test, seed)
    _check_sizes(len(groups), n_train, n_val, n_test, seed)
    rest = _groups(groups, _shuffled(np.arange(len(groups)), seed))
    val, rest = _filled(rest, n_val)
    train, rest = _filled(rest, n_train)
    test, _ = _filled(rest[::-1], n_test)
    return _whole_split((train, val, test), (n_train, n_val, n_test))


def scaffold_split(
    groups: IntArray, n_train: int, n_val: int, n_test: int | None, seed: int
) -> Split:
    """Splits molecules by scaffold: those of one group are in one part.

    Groups come in an order that the seed decides, those larger than half a validation or test
    part first, so that they are trained on. Training takes whole groups until it is full, then
    validation, then test; a group that does not fit is left to the next part. Only where no whole
    group fits into what is missing of a part, the smallest one left is cut and its rest left out.

    Args:
        groups: [M] number of each molecule's group, as its Bemis–Murcko scaffold.
        n_train: How many to train on, at least 1.
        n_val: How many to validate on, at least 1.
        n_test: How many to test on, at least 1; None for all that are left.
        seed: Of the order, not negative.

    Raises:
        ValueError: A number below its bound, or more molecules asked for than there are.
    """
    _check_sizes(len(groups), n_train, n_val, n_test, seed)
    large = min(n_val, n_test or n_val) / 2
    rest = _groups(groups, _shuffled(np.arange(len(groups)), seed))
    rest.sort(key=lambda members: len(members) <= large)
    train, rest = _filled(rest, n_train)
    val, rest = _filled(rest, n_val)
    test, _ = _filled(rest, n_test)
    return _whole_split((train, val, test), (n_train, n_val, n_test))


def _groups(groups: IntArray, order: IntArray) -> list[IntArray]:
    """The members of each group, in the order in which the first of each comes."""
    members: dict[int, list[int]] = {}
    for position in order.tolist():
        members.setdefault(int(groups[position]), []).append(position)
    return [np.array(positions, dtype=np.int64) for positions in members.values()]


def _filled(groups: list[IntArray], size: int | None) -> tuple[list[IntArray], list[IntArray]]:
    """Groups of `size` molecules together, None for all, and the groups that are left."""
    if size is None:
        return groups, []
    taken: list[IntArray] = []
    left: list[IntArray] = []
    for members in groups:
        fits = len(members) <= size
        (taken if fits else left).append(members)
        size -= len(members) if fits else 0
    if size and left:
        smallest = min(range(len(left)), key=lambda number: len(left[number]))
        taken.append(left.pop(smallest)[:size])
    return taken, left


def _whole_split(groups: tuple[list[IntArray], ...], sizes: tuple[int, int, int | None]) -> Split:
    """The split of these groups of each part, if every part has the size that is asked for."""
    parts = [np.sort(np.concatenate([np.empty(0, np.int64), *part])) for part in groups]
    if any(len(part) < (size or 1) for part, size in zip(parts, sizes, strict=True)):
        n_train, n_val, n_test = sizes
        raise ValueError(
            f"n_train + n_val + n_test = {n_train} + {n_val} + {n_test or 1} cannot be had once "
            "molecules that are alike are kept in one part; ask for fewer"
        )
    return Split(*parts)


def published_split(
    name: str,
    parts: Mapping[str, IntArray],
    n_molecules: int,
    sizes: tuple[int, int, int | None],
    seed: int,
) -> Split:
    """A split that was published as training and test part, as those of revised MD17.

    Training takes the first `n_train` of the published part, test the first `n_test` (all for
    None), and validation draws from what is in neither.

    Args:
        name: `published-01`, say.
        parts: Published selections by name, `train_01` and `test_01`.
        n_molecules: How many there are.
        sizes: n_train, n_val, n_test.
        seed: Of the draw.

    Raises:
        ValueError: There is no such split, or it has fewer molecules than are asked for.
    """
    number = name.removeprefix(PUBLISHED)
    if f"train_{number}" not in parts:
        known = [PUBLISHED + part.removeprefix("train_") for part in parts if "train_" in part]
        valid = ", ".join(["random", "scaffold", *known])
        raise ValueError(f"there is no split {name}; the splits are {valid}")
    train, test = parts[f"train_{number}"], parts[f"test_{number}"]
    rest = np.setdiff1d(np.arange(n_molecules), np.concatenate([train, test]))
    n_train, n_val, n_test = sizes
    asked = {"n_train": (n_train, train), "n_val": (n_val, rest), "n_test": (n_test or 1, test)}
    for key, (size, part) in asked.items():
        if not 1 <= size <= len(part):
            raise ValueError(f"{key} must be 1..{len(part)} in the split {name}, but is {size}")
    order = _shuffled(rest, seed)
    return Split(np.sort(train[:n_train]), np.sort(order[:n_val]), np.sort(test[:n_test]))


def _shuffled(positions: IntArray, seed: int) -> IntArray:
    return np.random.Generator(np.random.PCG64([_STREAM, seed])).permutation(positions)


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

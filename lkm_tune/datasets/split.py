"""Splits of molecules into training, validation and test part."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from lkm_tune.datasets.molecules import IntArray

Part = Literal["train", "val", "test"]

PUBLISHED = "published-"
"""Prefix of the names of published splits."""

# Makes the draws of splits differ from those of other generators with the same seed.
_STREAM = 0x73706C69


class SplitSizes(NamedTuple):
    """Sizes of the three parts.

    Attributes:
        n_train: At least 1.
        n_val: At least 1.
        n_test: At least 1; None for all remaining molecules.
    """

    n_train: int
    n_val: int
    n_test: int | None


@dataclass(frozen=True, eq=False)
class Split:
    """Indices of the three parts in the store, without overlap, each in ascending order."""

    train: IntArray
    val: IntArray
    test: IntArray

    def part(self, name: Part) -> IntArray:
        """Returns the part of this name."""
        parts: dict[Part, IntArray] = {"train": self.train, "val": self.val, "test": self.test}
        return parts[name]


def split_molecules(n_molecules: int, sizes: SplitSizes, seed: int) -> Split:
    """Splits molecules at random, the same way every time.

    In one permutation, the validation part comes first, the training part follows and grows towards
    the end, and the test part starts at the end. For one seed and one `n_val`, a larger training
    part contains each smaller training part, and the validation part stays the same. The test
    part also stays the same if `n_test` is a number: curves at several sample sizes use the same
    molecules.

    Args:
        n_molecules: Number of molecules.
        sizes: Sizes of the parts.
        seed: Seed of the permutation, not negative.

    Raises:
        ValueError: A number is below its bound, or the sizes exceed the number of molecules.
    """
    _check_sizes(n_molecules, sizes, seed)
    n_train, n_val, n_test = sizes
    order = _shuffled(np.arange(n_molecules), seed)
    first_test = n_val + n_train if n_test is None else n_molecules - n_test
    return Split(
        train=np.sort(order[n_val : n_val + n_train]),
        val=np.sort(order[:n_val]),
        test=np.sort(order[first_test:]),
    )


def grouped_split(groups: IntArray, sizes: SplitSizes, seed: int) -> Split:
    """Splits molecules at random, with each group in one part.

    If every molecule is a separate group, this is `split_molecules`. Otherwise the seed decides the
    order of groups. The validation part takes whole groups from the front until it is full, then
    the training part; the test part takes groups from the end. A group that does not fit goes to
    the next part.

    Args:
        groups: [M] number of each molecule's group, such as its graph.
        sizes: Sizes of the parts.
        seed: Seed of the order, not negative.

    Raises:
        ValueError: A number is below its bound, or the sizes exceed the number of molecules.
    """
    if len(np.unique(groups)) == len(groups):
        return split_molecules(len(groups), sizes, seed)
    _check_sizes(len(groups), sizes, seed)
    rest = _groups(groups, _shuffled(np.arange(len(groups)), seed))
    val, rest = _filled(rest, sizes.n_val)
    train, rest = _filled(rest, sizes.n_train)
    test, _ = _filled(rest[::-1], sizes.n_test)
    return _whole_split((train, val, test), sizes)


def scaffold_split(groups: IntArray, sizes: SplitSizes, seed: int) -> Split:
    """Splits molecules by scaffold, with each group in one part.

    The seed decides the order of groups; groups larger than half a validation or test part come
    first, so that they go to the training part. The training part takes whole groups until it is
    full, then the validation part, then the test part. A group that does not fit goes to the next
    part. If no whole group fits into the rest of a part, the part takes some molecules of the
    smallest remaining group, and the other molecules of the group are left out.

    Args:
        groups: [M] number of each molecule's group, such as its Bemis–Murcko scaffold.
        sizes: Sizes of the parts.
        seed: Seed of the order, not negative.

    Raises:
        ValueError: A number is below its bound, or the sizes exceed the number of molecules.
    """
    _check_sizes(len(groups), sizes, seed)
    large = min(sizes.n_val, sizes.n_test or sizes.n_val) / 2
    rest = _groups(groups, _shuffled(np.arange(len(groups)), seed))
    rest.sort(key=lambda members: len(members) <= large)
    train, rest = _filled(rest, sizes.n_train)
    val, rest = _filled(rest, sizes.n_val)
    test, _ = _filled(rest, sizes.n_test)
    return _whole_split((train, val, test), sizes)


def _groups(groups: IntArray, order: IntArray) -> list[IntArray]:
    """The members of each group, ordered by the first member."""
    members: dict[int, list[int]] = {}
    for position in order.tolist():
        members.setdefault(int(groups[position]), []).append(position)
    return [np.array(positions, dtype=np.int64) for positions in members.values()]


def _filled(groups: list[IntArray], size: int | None) -> tuple[list[IntArray], list[IntArray]]:
    """Groups with `size` molecules in total (None for all), and the remaining groups."""
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


def _whole_split(groups: tuple[list[IntArray], ...], sizes: SplitSizes) -> Split:
    """The split of these groups, if every part has its size."""
    parts = [np.sort(np.concatenate([np.empty(0, np.int64), *part])) for part in groups]
    if any(len(part) < (size or 1) for part, size in zip(parts, sizes, strict=True)):
        n_train, n_val, n_test = sizes
        raise ValueError(
            f"n_train + n_val + n_test = {n_train} + {n_val} + {n_test or 1} is impossible if "
            "each group of molecules stays in one part; use smaller sizes"
        )
    return Split(*parts)


def published_split(
    name: str,
    parts: Mapping[str, IntArray],
    n_molecules: int,
    sizes: SplitSizes,
    seed: int,
) -> Split:
    """A published split into training and test part, as in revised MD17.

    The training part is the first `n_train` of the published part, the test part the first `n_test`
    (all for None). The validation part is drawn from the molecules outside both.

    Args:
        name: Name of the split, such as `published-01`.
        parts: Published selections by name, `train_01` and `test_01`.
        n_molecules: Number of molecules.
        sizes: Sizes of the parts.
        seed: Seed of the draw.

    Raises:
        ValueError: There is no such split, or it has too few molecules.
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


def _check_sizes(n_molecules: int, sizes: SplitSizes, seed: int) -> None:
    n_train, n_val, n_test = sizes
    least = {"n_train": n_train, "n_val": n_val, "n_test": 1 if n_test is None else n_test}
    for name, size in least.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, but is {size}")
    if seed < 0:
        raise ValueError(f"the seed of a split must not be negative, but is {seed}")
    asked = sum(least.values())
    if asked > n_molecules:
        rest = "1 (n_test: the rest)" if n_test is None else f"{n_test} (n_test)"
        raise ValueError(
            "n_train + n_val + n_test must not exceed the number of molecules, but "
            f"{n_train} + {n_val} + {rest} = {asked} > {n_molecules}"
        )

"""Entries of a file that are one molecule, or one graph, for a network."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial.distance import pdist

from lkm_tune.datasets.cleaning import Problem
from lkm_tune.datasets.molecules import FloatArray, IntArray
from lkm_tune.datasets.structure import Usable


def repetitions(usable: Sequence[Usable]) -> list[Problem]:
    """Every entry that repeats an earlier entry.

    Two entries are one molecule if elements, bonds, stereochemistry and positions (if the file has
    them) are equal.
    """
    problems = []
    for first, *others in _molecules(usable):
        for one in others:
            message = f"{one.shown} is the same molecule as {first.name}".lstrip()
            problems.append(Problem(one.entry, one.name, "repeated", message))
    return problems


def merged(usable: Sequence[Usable], mean: bool) -> tuple[list[Usable], list[str]]:
    """The first entry of each molecule, in the file's order, and remarks on the other entries.

    Args:
        usable: All entries.
        mean: Whether the first entry gets the mean of the values.
    """
    molecules = _molecules(usable)
    several = [group for group in molecules if len(group) > 1]
    if not several:
        return list(usable), []
    extra = sum(len(group) - 1 for group in several)
    kept = "with the mean of their values" if mean else "with its value"
    remark = (
        f"{extra} entries repeat one of {len(several)} molecules: the first entry of each is kept, "
        f"{kept}"
    )
    return [_mean(group) if mean else group[0] for group in molecules], [remark]


def stereo_remark(usable: Sequence[Usable], copies: IntArray, targets: Sequence[str]) -> list[str]:
    """Remarks on stereoisomers, which share a graph: their number and differences of values."""
    sizes = Counter(copies.tolist())
    several = [number for number, size in sizes.items() if size > 1]
    if not several:
        return []
    values = np.array([one.values for one in usable], dtype=np.float64).reshape(
        len(usable), len(targets)
    )
    spreads = np.array([_spread(values[copies == number]) for number in several])
    differ = ", ".join(
        f"{target} by up to {spread:.4g}"
        for target, spread in zip(targets, spreads.max(axis=0), strict=True)
    )
    return [
        f"{sum(sizes[number] for number in several)} molecules are stereoisomers or conformers "
        f"with one graph of elements and bonds, in {len(several)} groups: each group stays in one "
        "part of every split" + (f"; within groups {differ}" if differ else "")
    ]


def _molecules(usable: Sequence[Usable]) -> list[list[Usable]]:
    same: dict[tuple[str, str, bytes], list[Usable]] = {}
    for one in usable:
        identity = (one.found.graph, one.found.stereo, _shape(one))
        same.setdefault(identity, []).append(one)
    return list(same.values())


def _shape(one: Usable) -> bytes:
    """The distances of atoms to 0.01 Å, independent of rotation; empty without positions."""
    pos = one.found.pos
    if pos is None:
        return b""
    return np.round(100 * np.sort(pdist(pos))).astype(np.int64).tobytes()


def _mean(group: Sequence[Usable]) -> Usable:
    if len(group) == 1:
        return group[0]
    values = zip(*(one.values for one in group), strict=True)
    return replace(group[0], values=tuple(_mean_of_known(each) for each in values))


def _mean_of_known(values: Sequence[float]) -> float:
    """The mean without missing values; NaN if all are missing."""
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _spread(values: FloatArray) -> list[float]:
    """The range of each column of [entries, targets], without missing values."""
    known = [column[~np.isnan(column)] for column in values.T]
    return [float(np.ptp(column)) if len(column) else 0.0 for column in known]

"""Turns the entries of a file (lines or records) into molecules for networks."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase

from lkm_tune.datasets.cleaning import Cleaning, Problem, left_out, refuse
from lkm_tune.datasets.conformer import METHOD, conformers
from lkm_tune.datasets.molecules import Bonds, IntArray, Molecules, in_single
from lkm_tune.datasets.repeated_entries import merged, repetitions, stereo_remark
from lkm_tune.datasets.structure import CHARGES, Structure, UnusableError, Usable, structure

_MISSING = {"", "na", "n/a", "nan", "null", "none"}


@dataclass(frozen=True)
class Entry:
    """One line of a table, or one record of an SDF file.

    Attributes:
        name: Its name in messages, `line 3`.
        shown: Its text for messages; empty if the name suffices.
        molecule: The RDKit molecule, or the reason why there is none.
        texts: The text of each target.
    """

    name: str
    shown: str
    molecule: Chem.Mol | UnusableError
    texts: tuple[str, ...] = ()


def assemble(
    path: Path | str, entries: Sequence[Entry], targets: Sequence[str], cleaning: Cleaning
) -> Molecules:
    """Molecules of a file, in its order, numbered by their entries from 0.

    Raises:
        DataError: Entries are unusable or repeat a molecule, and `cleaning` refuses them; the
            message names up to ten entries.
    """
    problems: list[Problem] = []
    unlabelled: list[Problem] = []
    usable = []
    with rdBase.BlockLogs():
        for number, entry in enumerate(entries):
            found = _structure(number, entry, cleaning, problems)
            values = _values(number, entry, targets, problems, unlabelled)
            if found is not None and values is not None:
                usable.append(Usable(number, entry.name, entry.shown, found, values))
        refuse(path, [*problems, *unlabelled], repetitions(usable), cleaning)
        usable, repeated = merged(usable, cleaning.repeated == "mean")
        unrelaxed = 0
        if cleaning.conformer:
            usable, unrelaxed = _with_conformers(usable, problems)
            refuse(path, problems, (), cleaning)
    remarks = [
        *left_out(path, len(entries), problems, unlabelled, cleaning.max_skipped),
        *_dropped(usable),
        *repeated,
    ]
    if cleaning.conformer:
        remarks.append(_made(len(usable), unrelaxed))
    return molecules_of(str(path), usable, targets, remarks)


def usable_entries(
    entries: Sequence[Entry], cleaning: Cleaning
) -> tuple[list[Usable], list[Problem]]:
    """Usable entries (including repeated entries), and the reasons of unusable entries."""
    problems: list[Problem] = []
    usable = []
    with rdBase.BlockLogs():
        for number, entry in enumerate(entries):
            found = _structure(number, entry, cleaning, problems)
            if found is not None:
                usable.append(Usable(number, entry.name, entry.shown, found))
        if cleaning.conformer:
            usable, _ = _with_conformers(usable, problems)
    return usable, problems


def molecules_of(
    name: str,
    usable: Sequence[Usable],
    targets: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> Molecules:
    """Arrays of molecules; positions from the file determine the bonds later."""
    structures = [one.found for one in usable]
    copies = _numbered([found.graph for found in structures])
    pairs = [pair for found in structures for a, b in found.pairs for pair in ((a, b), (b, a))]
    values = np.array([one.values for one in usable], dtype=np.float64).reshape(
        len(usable), len(targets)
    )
    placed = [found.pos for found in structures if found.pos is not None]
    bonds = Bonds(
        pairs=np.array(pairs, dtype=np.int64).reshape(-1, 2).T,
        counts=np.array([2 * len(found.pairs) for found in structures], dtype=np.int64),
    )
    return Molecules(
        name=name,
        ids=np.array([one.entry for one in usable], dtype=np.int64),
        n_atoms=np.array([len(found.z) for found in structures], dtype=np.int64),
        z=np.array([number for found in structures for number in found.z], dtype=np.uint8),
        pos=in_single(np.concatenate(placed)) if placed else None,
        targets={target: values[:, column] for column, target in enumerate(targets)},
        bonds=None if placed and not usable[0].found.made else bonds,
        groups=_numbered([found.scaffold for found in structures]),
        # All frames of a trajectory have one graph: every record counts separately.
        copies=copies if copies.any() or not placed else None,
        gaps=bool(np.isnan(values).any()),
        remarks=(*remarks, *(stereo_remark(usable, copies, targets) if copies.any() else ())),
    )


def _structure(
    number: int, entry: Entry, cleaning: Cleaning, problems: list[Problem]
) -> Structure | None:
    """The entry's molecule; adds the reason to `problems` if it is unusable."""
    try:
        if isinstance(entry.molecule, UnusableError):
            raise entry.molecule
        return structure(entry.molecule, cleaning)
    except UnusableError as error:
        message = f"{entry.shown} {error}".lstrip()
        problems.append(Problem(number, entry.name, error.kind, message))
    return None


def _values(
    number: int,
    entry: Entry,
    targets: Sequence[str],
    problems: list[Problem],
    unlabelled: list[Problem],
) -> tuple[float, ...] | None:
    """The entry's numbers, NaN where one of several is missing.

    None, with an entry in `problems` or `unlabelled`, if one is invalid or all are missing.
    """
    values = []
    missing = []
    for target, text in zip(targets, entry.texts, strict=True):
        value = _number(text)
        if math.isfinite(value):
            values.append(value)
            continue
        what = repr(text) if text else "nothing"
        message = f"{target} must be a finite number, but there is {what}"
        if text.lower() in _MISSING:
            missing.append(Problem(number, entry.name, f"no {' or '.join(targets)}", message))
            values.append(math.nan)
        else:
            problems.append(Problem(number, entry.name, f"no number as {target}", message))
    if len(values) < len(targets):
        return None
    if targets and len(missing) == len(targets):
        # With several targets, a molecule teaches those that it has.
        unlabelled += missing[:1]
        return None
    return tuple(values)


def _number(text: str) -> float:
    try:
        # Python reads 1_000 as a number; tables do not.
        return float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan


def _with_conformers(usable: Sequence[Usable], problems: list[Problem]) -> tuple[list[Usable], int]:
    """The entries with computed positions, and the number that MMFF94 did not relax."""
    made = []
    unrelaxed = 0
    found = conformers([one.found.molecule for one in usable])
    for one, conformer in zip(usable, found, strict=True):
        if conformer.pos is None:
            message = f"{one.shown} has no conformer that {METHOD} find".lstrip()
            problems.append(Problem(one.entry, one.name, "without a conformer", message))
            continue
        unrelaxed += not conformer.relaxed
        made.append(replace(one, found=replace(one.found, pos=conformer.pos, made=True)))
    return made, unrelaxed


def _made(total: int, unrelaxed: int) -> str:
    remark = f"{METHOD} made the positions of all {total} molecules from their bonds"
    if unrelaxed:
        remark += (
            f"; {unrelaxed} of them are not relaxed, since MMFF94 lacks an atom or finds no minimum"
        )
    return remark


def _dropped(usable: Sequence[Usable]) -> list[str]:
    counts = Counter(kind for one in usable for kind in one.found.dropped)
    return [
        f"{number} {'entry has' if number == 1 else 'entries have'} {kind}: "
        + ("neutralised" if kind == CHARGES else "dropped, since no network uses them")
        for kind, number in sorted(counts.items())
    ]


def _numbered(texts: Sequence[str]) -> IntArray:
    number_of: dict[str, int] = {}
    return np.array([number_of.setdefault(text, len(number_of)) for text in texts], dtype=np.int64)

"""Molecules to predict: every entry of a file is a row, including repeated and unusable entries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import rdBase
from scipy.spatial import KDTree

from lkm_tune.datasets.cleaning import Cleaning
from lkm_tune.datasets.entries import Entry, molecules_of, usable_entries
from lkm_tune.datasets.file_kinds import is_sdf, is_smiles, is_table, is_xyz
from lkm_tune.datasets.molecules import DataError, FloatArray, Molecules, single_precision
from lkm_tune.datasets.prepared import CLOSEST
from lkm_tune.datasets.sdf import sdf_entries
from lkm_tune.datasets.smiles import parsed, shown, table_entries
from lkm_tune.datasets.structure import Structure
from lkm_tune.datasets.table import parse_table, read_text
from lkm_tune.datasets.xyz import frame_problems, read_frames


@dataclass(frozen=True, eq=False)
class Rows:
    """The entries of a file.

    Attributes:
        names: Names of the entries in messages.
        molecules: The usable entries; their `ids` are their indices among the entries, from 0. None
            if no entry is usable.
        reasons: Index of every other entry -> the reason.
        placed: Index of every entry with positions -> those [A, 3] of the file, in Å, not centred.
    """

    names: tuple[str, ...]
    molecules: Molecules | None
    reasons: dict[int, str]
    placed: Mapping[int, FloatArray] = field(default_factory=dict)


def read_rows(path: Path, smiles: str = "smiles", cleaning: Cleaning | None = None) -> Rows:
    """Reads every entry of a file.

    Args:
        path: A table of SMILES (.csv, .tsv), one SMILES per line (.smi), SDF, extended XYZ or
            another file that ASE reads, compressed or not.
        smiles: The column of SMILES in a table.
        cleaning: The choices of the network's training for fragments, charges and conformers; its
            other choices are ignored.

    Raises:
        DataError: The file as a whole cannot be read.
    """
    cleaning = cleaning or Cleaning()
    if is_table(path):
        table = parse_table(read_text(path), path, (smiles,))
        return _of_entries(path, table_entries(table, smiles, ()), cleaning)
    if is_smiles(path):
        return _of_entries(path, _smiles_lines(read_text(path)), cleaning)
    if is_sdf(path):
        entries = sdf_entries(read_text(path), path, (), bool(cleaning.conformer))
        return _of_entries(path, entries, cleaning)
    return _of_frames(path, _frames(path))


def suffix_of(text: str) -> str:
    """The suffix for a text of unknown kind, such as standard input."""
    if "$$$$" in text or "M  END" in text:
        return ".sdf"
    return ".xyz" if text.lstrip().split("\n", 1)[0].strip().isdecimal() else ".csv"


def _smiles_lines(text: str) -> list[Entry]:
    with rdBase.BlockLogs():
        return [
            Entry(f"line {number}", shown(words[0]), parsed(words[0]))
            for number, line in enumerate(text.split("\n"), start=1)
            if (words := line.split())
        ]


def _of_entries(path: Path, entries: Sequence[Entry], cleaning: Cleaning) -> Rows:
    if not entries:
        raise DataError(f"{path}: there must be molecules, but there are none")
    usable, problems = usable_entries(entries, cleaning)
    reasons = {problem.entry: problem.message for problem in problems}
    for one in usable:
        if one.found.pos is not None and (told := _coinciding(one.found.pos)):
            reasons[one.entry] = told
    usable = [one for one in usable if one.entry not in reasons]
    molecules = molecules_of(str(path), usable) if usable else None
    placed = {one.entry: _positions(one.found) for one in usable if one.found.pos is not None}
    return Rows(tuple(entry.name for entry in entries), molecules, reasons, placed)


def _frames(path: Path) -> Sequence[Any]:
    if is_xyz(path):
        return read_frames(path)
    from ase.io import read
    from ase.io.formats import UnknownFileTypeError

    try:
        frames: Any = read(path, index=":")
    except (UnknownFileTypeError, OSError, ValueError, LookupError, StopIteration) as error:
        raise DataError(f"{path}: cannot be read as molecules ({error})"[:300]) from error
    if not frames:
        raise DataError(f"{path}: there must be molecules, but there are none")
    return list(frames)


def _of_frames(path: Path, frames: Sequence[Any]) -> Rows:
    reasons = {}
    for number, frame in enumerate(frames):
        told = frame_problems(frame) or [_coinciding(frame.positions)]
        if told[0]:
            reasons[number] = "; ".join(told)
    good = [number for number in range(len(frames)) if number not in reasons]
    names = tuple(
        str(frame.info.get("name", f"frame {number} ({frame.get_chemical_formula()})"))
        for number, frame in enumerate(frames)
    )
    if not good:
        return Rows(names, None, reasons)
    n_atoms = np.array([len(frames[number]) for number in good])
    pos = np.concatenate([frames[number].positions for number in good])
    molecules = Molecules(
        name=str(path),
        ids=np.array(good),
        n_atoms=n_atoms,
        z=np.concatenate([frames[number].numbers for number in good]).astype(np.uint8),
        pos=single_precision(pos, n_atoms),
        targets={},
    )
    return Rows(names, molecules, reasons, {number: frames[number].positions for number in good})


def _positions(found: Structure) -> FloatArray:
    """The positions of a file, or the conformer."""
    if found.made and found.pos is not None:
        return found.pos
    given: FloatArray = found.molecule.GetConformer().GetPositions()
    return given


def _coinciding(pos: FloatArray) -> str:
    """A sentence on atoms that are too close to each other; empty if there are none."""
    if len(pos) < 2:
        return ""
    found = KDTree(pos).query(pos, k=2)
    distances, nearest = np.asarray(found[0]), np.asarray(found[1])
    first = int(np.argmin(distances[:, 1]))
    if distances[first, 1] >= CLOSEST:
        return ""
    first, second = sorted((first, int(nearest[first][nearest[first] != first][0])))
    return (
        f"has atoms {first} and {second} (counted from 0) {distances[:, 1].min():.3g} Å apart; "
        f"they must be at least {CLOSEST} Å apart"
    )

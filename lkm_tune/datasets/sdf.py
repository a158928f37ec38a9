"""Molecules of an SDF file (V2000 and V3000), one entry per record, read by RDKit."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds

from lkm_tune.datasets.cleaning import Cleaning
from lkm_tune.datasets.entries import Entry, assemble
from lkm_tune.datasets.molecules import MOST_ATOMS, DataError, Molecules
from lkm_tune.datasets.structure import UnusableError
from lkm_tune.datasets.table import read_text

_END = re.compile(r"^\$\$\$\$.*$", re.MULTILINE)
_COUNT = re.compile(r"^M  V30 COUNTS (\d{1,18})", re.MULTILINE)
_TAG = re.compile(r"^>.*?<([^>]*)>", re.MULTILINE)


def read_sdf(path: Path, targets: Sequence[str], cleaning: Cleaning) -> Molecules:
    """Reads molecules with their positions and their properties.

    Args:
        path: The file.
        targets: Names of the data fields of the targets.
        cleaning: The choices for unusable records. With `conformer`, positions in the file are
            ignored, and hydrogens may be missing.

    Returns:
        The molecules in the file's order, numbered by their records from 0.

    Raises:
        DataError: The file cannot be read, or records are unusable and `cleaning` refuses them; the
            message names up to ten records, counted from 1.
    """
    entries = sdf_entries(read_text(path), path, targets, bool(cleaning.conformer))
    return assemble(path, entries, targets, cleaning)


def sdf_entries(text: str, name: Path | str, targets: Sequence[str], flat: bool) -> list[Entry]:
    """Every record of a file, named by its number and title.

    Args:
        text: The text of the file.
        name: The name of the file in messages.
        targets: Names of the data fields to read.
        flat: Whether records without positions are valid.

    Raises:
        DataError: There are no records, the last record is incomplete, or no record has a target.
    """
    records = list(_records(text, name))
    if not records:
        raise DataError(f"{name}: there must be molecules, but there are none")
    known = {tag for record in records for tag in _TAG.findall(record)}
    if lacking := [target for target in targets if target not in known]:
        raise DataError(
            f"{name}: no record has the data field {', '.join(lacking)}; there are "
            f"{', '.join(sorted(known)) or 'none'}"[:1000]
        )
    with rdBase.BlockLogs():
        return [_entry(n, record, targets, flat) for n, record in enumerate(records, start=1)]


def _records(text: str, name: Path | str) -> Iterator[str]:
    begin = 0
    for end in _END.finditer(text):
        yield text[begin : end.start()].removeprefix("\n") if begin else text[: end.start()]
        begin = end.end()
    rest = text[begin:]
    if not rest.strip():
        return
    if "M  END" not in rest:
        raise DataError(f"{name}: the last record lacks its M  END. Was the file cut short?")
    # A .mol file with one molecule has no line of $$$$.
    yield rest.removeprefix("\n") if begin else rest


def _entry(number: int, record: str, targets: Sequence[str], flat: bool) -> Entry:
    title = record.split("\n", 1)[0].strip()
    name = f"record {number}" + (f" ({title[:40]})" if title else "")
    tags = _TAG.findall(record)
    fields = _fields(record)
    molecule: Chem.Mol | UnusableError
    try:
        for target in targets:
            if tags.count(target) > 1:
                raise UnusableError("a field twice", f"has the field {target} twice")
        molecule = _molecule(record, flat)
    except UnusableError as error:
        molecule = error
    return Entry(name, "", molecule, tuple(fields.get(target, "") for target in targets))


def _fields(record: str) -> dict[str, str]:
    """The data fields after the molecule, each with its lines up to an empty line."""
    fields: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in record.split("\n"):
        if found := _TAG.match(line):
            lines = fields[found.group(1)] = []
        elif line.strip():
            lines.append(line.strip())
        else:
            lines = []
    return {name: "\n".join(lines) for name, lines in fields.items()}


def _molecule(record: str, flat: bool) -> Chem.Mol:
    """The molecule of a record with all atoms of the record.

    Raises:
        UnusableError: The record is invalid, or has no positions and `flat` is false.
    """
    if (count := _COUNT.search(record)) and int(count[1]) > MOST_ATOMS:
        message = f"must have at most {MOST_ATOMS:,} atoms, but says {int(count[1]):,}"
        raise UnusableError("too large", message)
    molecule = Chem.MolFromMolBlock(record, sanitize=False, removeHs=False)
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise UnusableError("no molecule", "is no molecule that RDKit understands")
    placed = _placed(molecule)
    if placed and molecule.GetNumBonds() == 0:
        # Some programs write only atoms.
        rdDetermineBonds.DetermineConnectivity(molecule)
        _as_drawn(molecule)
    try:
        Chem.SanitizeMol(molecule)
    except (Chem.MolSanitizeException, ValueError, RuntimeError) as error:
        # RDKit raises a RuntimeError of several lines for damaged counts.
        if not placed or flat:
            said = str(error).split("\n", 1)[0]
            raise UnusableError("wrong valences", f"cannot be: {said}") from error
        # Networks use only elements and positions: a wrong bond does not matter.
        _as_drawn(molecule)
    if not placed and not flat:
        raise UnusableError(
            "without positions",
            "has no positions in three dimensions; data.conformer: etkdg makes them",
        )
    if flat:
        if not placed:
            molecule.RemoveAllConformers()
        molecule = Chem.RemoveHs(molecule)
        molecule.RemoveAllConformers()
        Chem.AssignStereochemistry(molecule, cleanIt=True, force=True)
    return molecule


def _as_drawn(molecule: Chem.Mol) -> None:
    for atom in molecule.GetAtoms():
        atom.SetNoImplicit(True)
    molecule.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(molecule)


def _placed(molecule: Chem.Mol) -> bool:
    """Whether positions belong to a molecule in space instead of a drawing."""
    pos = molecule.GetConformer().GetPositions()
    if np.ptp(pos[:, 2]) > 1e-3 or molecule.GetNumAtoms() == 1:
        return True
    # Flat molecules: in drawings, bonds to hydrogen are as long as others, or far too short.
    lengths = [
        (
            1 in (bond.GetBeginAtom().GetAtomicNum(), bond.GetEndAtom().GetAtomicNum()),
            float(np.linalg.norm(pos[bond.GetBeginAtomIdx()] - pos[bond.GetEndAtomIdx()])),
        )
        for bond in molecule.GetBonds()
    ]
    hydrogen = [length for light, length in lengths if light]
    others = [length for light, length in lengths if not light]
    return (
        bool(lengths)
        and all(0.7 < length < 1.6 for length in hydrogen)
        and all(1.05 < length < 3 for length in others)
        and (not others or not hydrogen or max(hydrogen) < 0.95 * max(others))
    )

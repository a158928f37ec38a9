"""Molecules of an SDF file: V2000 and V3000, one entry a record, read by RDKit."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds

from lkm_tune.datasets.cleaning import Cleaning
from lkm_tune.datasets.entries import Entry, assemble
from lkm_tune.datasets.molecules import DataError, Molecules
from lkm_tune.datasets.structure import UnusableError
from lkm_tune.datasets.table import bytes_of, text_of

_END = re.compile(r"^\$\$\$\$.*$", re.MULTILINE)
_TAG = re.compile(r"^>.*?<([^>]*)>", re.MULTILINE)


def read_sdf(path: Path, target: str, cleaning: Cleaning) -> Molecules:
    """Reads molecules with their positions and a property of each.

    Args:
        path: The file.
        target: Name of the data field that holds a number.
        cleaning: What becomes of records that cannot be used. With `conformer`, positions in the
            file are not looked at, and hydrogens may be left out.

    Returns:
        The molecules in the file's order, numbered by their records from 0.

    Raises:
        DataError: The file cannot be read, or records cannot be used and `cleaning` does not say
            what becomes of them; the message names up to ten records, counted from 1.
    """
    entries = sdf_entries(text_of(bytes_of(path), path), path, (target,), bool(cleaning.conformer))
    return assemble(path, entries, (target,), cleaning)


def sdf_entries(text: str, name: Path | str, targets: Sequence[str], flat: bool) -> list[Entry]:
    """Every record of a file, named by its number and title.

    Args:
        text: Of the file.
        name: What messages call it.
        targets: Names of the data fields to read.
        flat: Whether records without positions are good.

    Raises:
        DataError: There are no records, or the last one is cut off.
    """
    records = list(_records(text, name))
    if not records:
        raise DataError(f"{name}: there must be molecules, but there are none")
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
    # One molecule in a .mol file has no line of $$$$.
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
    """The data fields behind the molecule: the first line of each."""
    lines = record.split("\n")
    fields = {}
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if found := _TAG.match(line):
            fields[found.group(1)] = following.strip()
    return fields


def _molecule(record: str, flat: bool) -> Chem.Mol:
    """The molecule of a record with every atom that the record has.

    Raises:
        UnusableError: It is none, or has no positions and is not allowed to be flat.
    """
    molecule = Chem.MolFromMolBlock(record, sanitize=False, removeHs=False)
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise UnusableError("no molecule", "is no molecule that RDKit understands")
    placed = _placed(molecule)
    if placed and molecule.GetNumBonds() == 0:
        # Some programs write atoms alone.
        rdDetermineBonds.DetermineConnectivity(molecule)
        _as_drawn(molecule)
    try:
        Chem.SanitizeMol(molecule)
    except (Chem.MolSanitizeException, ValueError) as error:
        if not placed or flat:
            raise UnusableError("wrong valences", f"cannot be: {error}") from error
        # Networks see elements and positions alone: a bond drawn wrong is no matter.
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
    """Whether positions are those of a molecule and not of its drawing on paper."""
    pos = molecule.GetConformer().GetPositions()
    if np.ptp(pos[:, 2]) > 1e-3 or molecule.GetNumAtoms() == 1:
        return True
    # A flat molecule: on paper, bonds to hydrogen are as long as others, or far too short.
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

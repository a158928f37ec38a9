"""The published QM9: an archive of 133,885 text files, and a list of molecules to leave out.

Ramakrishnan, Dral, Rupp and von Lilienfeld, "Quantum chemistry structures and properties of 134
kilo molecules", Scientific Data 1, 140022 (2014); the files' format is its Table 2.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lkm_tune.datasets.download import Remote
from lkm_tune.datasets.members import read_members
from lkm_tune.datasets.molecules import DataError
from lkm_tune.datasets.published import Published

_ELEMENTS = {"H": 1, "C": 6, "N": 7, "O": 8, "F": 9}

# The properties in the order of a file's second line, after `gdb` and the index.
_PROPERTIES = (
    "A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv",
)  # fmt: skip


@dataclass(frozen=True)
class _Molecule:
    index: int
    smiles: str
    z: list[int]
    pos: list[float]
    properties: list[float]


def convert_qm9(archive: Path, left_out: Path, target: Path) -> None:
    """Turns the published archive into the .npz file for `read_qm9`.

    Args:
        archive: `dsgdb9nsd.xyz.tar.bz2`.
        left_out: `uncharacterized.txt`: lines that begin with the index of a molecule whose
            geometry failed the authors' test of consistency, among other lines.
        target: File to write.

    Raises:
        DataError: The archive is broken, or one of its files is not in the published format.
    """
    words = (line.split() for line in left_out.read_text(encoding="utf-8").splitlines())
    uncharacterised = {int(line[0]) for line in words if line and line[0].isdigit()}
    molecules = [
        _parse(f"{archive}, {name}", content)
        for name, content in read_members(archive)
        if name.endswith(".xyz")
    ]
    molecules = [molecule for molecule in molecules if molecule.index not in uncharacterised]
    molecules.sort(key=lambda molecule: molecule.index)
    if not molecules:
        raise DataError(f"{archive}: must hold molecules as .xyz files, but holds no valid ones")
    properties = np.array([molecule.properties for molecule in molecules])
    with target.open("wb") as file:  # NumPy would add .npz to a name.
        np.savez_compressed(
            file,
            allow_pickle=False,
            index=np.array([molecule.index for molecule in molecules], dtype=np.int32),
            smiles=np.array([molecule.smiles for molecule in molecules]),
            n_atoms=np.array([len(molecule.z) for molecule in molecules], dtype=np.int16),
            z=np.concatenate([molecule.z for molecule in molecules]).astype(np.uint8),
            pos=np.concatenate([molecule.pos for molecule in molecules])
            .reshape(-1, 3)
            .astype(np.float32),
            **{name: properties[:, column] for column, name in enumerate(_PROPERTIES)},
        )


def _parse(what: str, content: bytes) -> _Molecule:
    """Reads one file: a count, properties, atoms with their charges, frequencies, SMILES, InChI."""
    try:
        # Mathematica wrote the numbers, with exponents such as 1.5*^-6.
        lines = content.decode("ascii").replace("*^", "e").splitlines()
        n_atoms = int(lines[0])
        _, index, *values = lines[1].split()
        atoms = [line.split() for line in lines[2 : 2 + n_atoms]]
        if n_atoms < 1 or len(values) != len(_PROPERTIES):
            raise ValueError(f"{n_atoms} atoms and {len(values)} properties")
        return _Molecule(
            index=int(index),
            smiles=lines[3 + n_atoms].split()[0],
            z=[_ELEMENTS[symbol] for symbol, *_ in atoms],
            pos=[float(number) for _, x, y, z, _ in atoms for number in (x, y, z)],
            properties=[float(value) for value in values],
        )
    except (ValueError, IndexError, KeyError) as error:
        raise DataError(
            f"{what}: must be a molecule in QM9's format (atom count; gdb, index and "
            f"{len(_PROPERTIES)} properties; element, x, y, z, charge of each atom; frequencies; "
            f"SMILES), but is not: {error}"
        ) from error


PUBLISHED = Published(
    name="QM9",
    file="qm9.npz",
    licence="CC0",
    citation="Ramakrishnan et al., Scientific Data 1, 140022 (2014)",
    remotes=(
        Remote(
            "https://ndownloader.figshare.com/files/3195389",
            "dsgdb9nsd.xyz.tar.bz2",
            "md5:ad1ebd51ee7f5b3a6e32e974e5d54012",
        ),
        Remote(
            "https://ndownloader.figshare.com/files/3195404",
            "uncharacterized.txt",
            "md5:a361887bacb427b8a0ce7903d92a53b4",
        ),
    ),
    unpack=lambda raw, target: convert_qm9(raw[0], raw[1], target),
)
"""All of QM9, with checksums from figshare."""

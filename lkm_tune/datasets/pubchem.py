"""HOMO–LUMO gaps of molecules of PubChem."""

from functools import partial
from pathlib import Path

from lkm_tune.datasets.dataset import Dataset, Target, Task, usual
from lkm_tune.datasets.molecules import Molecules
from lkm_tune.datasets.published import Published, locate

PUBLISHED = Published(
    name="pubchem/gap",
    file="pubchem/gap.csv",
    licence="MIT",
    citation="the data of the R package iqspr 2.3, cleaned",
)
"""SMILES and gap (column `homo_lumo_gap_eV`, B3LYP/6-31G(d)) of 16,279 molecules."""

_GAP = Target("homo_lumo_gap_eV", "gap between the frontier orbitals", "eV", "eV")


def _read(path: Path) -> Molecules:
    from lkm_tune.datasets.smiles import read_smiles  # RDKit takes a second to import.

    return read_smiles(path, (_GAP.name,))


PUBCHEM = Dataset(
    name="pubchem",
    tasks=(Task("pubchem/gap", "pubchem", (_GAP,), geometry=False),),
    locate=partial(locate, PUBLISHED),
    read=_read,
    sizes=usual(13_000, 1_600),
)
"""Gaps by SMILES."""

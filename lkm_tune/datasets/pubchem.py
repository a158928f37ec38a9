"""HOMO–LUMO gaps of molecules of PubChem."""

from functools import partial
from pathlib import Path

from lkm_tune.datasets.cleaning import Cleaning
from lkm_tune.datasets.dataset import Dataset, Target, Task, usual
from lkm_tune.datasets.molecules import Molecules
from lkm_tune.datasets.published import Published, locate
from lkm_tune.study import DataPlan

PUBLISHED = Published(
    name="pubchem/gap",
    file="pubchem/gap.csv",
    licence="MIT",
    citation="the data of the R package iqspr 2.3, cleaned",
)
"""SMILES and gap (column `homo_lumo_gap_eV`, B3LYP/6-31G(d)) of 16,279 molecules."""

_GAP = Target("homo_lumo_gap_eV", "gap between the frontier orbitals", "eV", "eV")


def pubchem(data: DataPlan) -> Dataset:
    """Gaps by SMILES, with positions if the plan has `conformer`."""
    task = Task("pubchem/gap", "pubchem", (_GAP,), geometry=data.conformer is not None)
    return Dataset(
        name="pubchem",
        tasks=(task,),
        locate=partial(locate, PUBLISHED),
        read=partial(_read, cleaning=Cleaning.of(data)),
        sizes=usual(13_000, 1_600),
        reading=f"{Cleaning.of(data)}",
    )


def _read(path: Path, unchecked: bool, cleaning: Cleaning) -> Molecules:
    from lkm_tune.datasets.smiles import read_smiles  # RDKit takes a second to import.

    return read_smiles(path, (_GAP.name,), cleaning=cleaning)


PUBCHEM = pubchem(DataPlan())
"""Gaps by SMILES, as graphs of atoms and bonds."""

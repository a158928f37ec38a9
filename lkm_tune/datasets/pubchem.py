"""HOMO–LUMO gaps of molecules of PubChem."""

from lkm_tune.datasets.published import Published

GAP = Published(
    name="pubchem/gap",
    file="pubchem/gap.csv",
    licence="MIT",
    citation="the data of the R package iqspr 2.3, cleaned",
)
"""SMILES and gap (column `homo_lumo_gap_eV`, B3LYP/6-31G(d)) of 16,279 molecules."""

TARGET = "homo_lumo_gap_eV"
"""Column of the gap, eV."""

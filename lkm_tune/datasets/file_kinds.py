"""The kind of a file by its name, with or without `.gz`."""

from pathlib import Path

TABLES = (".csv", ".tsv", ".tab")
SDF = (".sdf", ".sd", ".mol")
SMILES = (".smi", ".smiles")


def is_table(path: Path | str) -> bool:
    """Whether a file is a table of SMILES."""
    return str(path).lower().removesuffix(".gz").endswith(TABLES)


def is_sdf(path: Path | str) -> bool:
    """Whether a file is an SDF file."""
    return str(path).lower().removesuffix(".gz").endswith(SDF)


def is_smiles(path: Path | str) -> bool:
    """Whether a file has a SMILES at the start of each line, without column names."""
    return str(path).lower().removesuffix(".gz").endswith(SMILES)

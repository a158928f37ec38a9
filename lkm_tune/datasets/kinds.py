"""What kind of file a name says; `.gz` behind it says that the file is compressed."""

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
    """Whether a file has a SMILES at the beginning of each line, and no line of names."""
    return str(path).lower().removesuffix(".gz").endswith(SMILES)

"""What kind of file a name says; `.gz` behind it says that the file is compressed."""

from pathlib import Path

TABLES = (".csv", ".tsv", ".tab")
SDF = (".sdf", ".sd", ".mol")


def is_table(path: Path | str) -> bool:
    """Whether a file is a table of SMILES."""
    return str(path).lower().removesuffix(".gz").endswith(TABLES)


def is_sdf(path: Path | str) -> bool:
    """Whether a file is an SDF file."""
    return str(path).lower().removesuffix(".gz").endswith(SDF)

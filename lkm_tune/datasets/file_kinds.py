"""The kind of a file by its name, with or without `.gz`, `.bz2` or `.xz`."""

from pathlib import Path

TABLES = (".csv", ".tsv", ".tab")
SDF = (".sdf", ".sd", ".mol")
SMILES = (".smi", ".smiles")
XYZ = (".xyz", ".extxyz")
_COMPRESSED = (".gz", ".bz2", ".xz")


def is_table(path: Path | str) -> bool:
    """Whether a file is a table of SMILES."""
    return _uncompressed(path).endswith(TABLES)


def is_sdf(path: Path | str) -> bool:
    """Whether a file is an SDF file."""
    return _uncompressed(path).endswith(SDF)


def is_smiles(path: Path | str) -> bool:
    """Whether a file has a SMILES at the start of each line, without column names."""
    return _uncompressed(path).endswith(SMILES)


def is_xyz(path: Path | str) -> bool:
    """Whether a file is extended XYZ."""
    return _uncompressed(path).endswith(XYZ)


def _uncompressed(path: Path | str) -> str:
    name = str(path).lower()
    return next((name.removesuffix(end) for end in _COMPRESSED if name.endswith(end)), name)

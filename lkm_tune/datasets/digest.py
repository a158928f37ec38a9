"""The digest of a data file."""

import hashlib
from pathlib import Path

from lkm_tune.datasets.molecules import DataError


def content_digest(source: Path) -> str:
    """Returns the SHA-256 of a file or of a folder's files.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        if source.is_dir():
            files = sorted(path for path in source.rglob("*") if path.is_file())
            digests = "".join(content_digest(path) for path in files)
            return hashlib.sha256(digests.encode()).hexdigest()
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error})") from error

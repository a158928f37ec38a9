"""Reads the members of tar archives, in their order."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

from lkm_tune.datasets.molecules import DataError


def read_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yields name and content of each file of a tar archive, compressed or not; writes nothing.

    Raises:
        DataError: The file is missing, or is no valid archive.
    """
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is not None:
                    yield member.name, file.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(
            f"{path}: is not a readable tar archive, perhaps cut short ({error})"
        ) from error

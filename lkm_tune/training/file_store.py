"""Stores of a trial's files: a folder that every node sees, or an object store."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pyarrow import fs

from lkm_tune.files import write_bytes


class Store(Protocol):
    """Files by name, written atomically."""

    def names(self) -> list[str]:
        """The names of all files, including partial files of a kill (`….part`)."""

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            OSError: if the file cannot be read.
        """

    def write(self, name: str, content: bytes) -> None:
        """Creates or replaces a file.

        Raises:
            OSError: if the file cannot be written. An earlier file remains.
        """

    def delete(self, name: str) -> None:
        """Removes a file, if it exists."""


def open_store(place: str | Path) -> Store:
    """The store of a folder, or of an address such as `s3://BUCKET/PATH` or `gs://…`.

    Raises:
        ValueError: if pyarrow does not know the kind of address.
    """
    if "://" not in str(place):
        return Folder(Path(place))
    try:
        system, path = fs.FileSystem.from_uri(str(place))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{place} must be a folder, or an address that pyarrow opens, such as "
            f"s3://BUCKET/PATH or gs://BUCKET/PATH ({error})"
        ) from error
    return Bucket(system, path)


def remove_place(place: str | Path) -> None:
    """Removes a folder, or everything under an address, if it is there.

    Raises:
        OSError: if it cannot be removed.
        ValueError: if pyarrow knows no such kind of address.
    """
    store = open_store(place)
    with suppress(FileNotFoundError):
        if isinstance(store, Bucket):
            store.system.delete_dir(store.path)
        else:
            shutil.rmtree(place)


class Folder:
    """Files of a folder; the first file creates the folder."""

    def __init__(self, path: Path) -> None:
        """Creates nothing on disk."""
        self.path = path

    def __str__(self) -> str:
        """The folder."""
        return str(self.path)

    def names(self) -> list[str]:
        """See `Store`."""
        return [path.name for path in self.path.glob("*") if path.is_file()]

    def read(self, name: str) -> bytes:
        """See `Store`."""
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """See `Store`; the file is on the disk when this returns."""
        write_bytes(self.path / name, content)

    def delete(self, name: str) -> None:
        """See `Store`."""
        (self.path / name).unlink(missing_ok=True)


class Bucket:
    """Objects under a path of an object store; an object appears after its complete upload."""

    def __init__(self, system: fs.FileSystem, path: str) -> None:
        """Sends no request.

        Args:
            system: the file system of pyarrow.
            path: `BUCKET/PATH`.
        """
        self.system, self.path = system, path

    def __str__(self) -> str:
        """The bucket and the path in it."""
        return f"{self.system.type_name}://{self.path}"

    def names(self) -> list[str]:
        """See `Store`."""
        found = self.system.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return [info.base_name for info in found if info.is_file]

    def read(self, name: str) -> bytes:
        """See `Store`."""
        with self.system.open_input_stream(f"{self.path}/{name}") as stream:
            content: bytes = stream.read()
        return content

    def write(self, name: str, content: bytes) -> None:
        """See `Store`."""
        with self.system.open_output_stream(f"{self.path}/{name}") as stream:
            stream.write(content)

    def delete(self, name: str) -> None:
        """See `Store`."""
        with suppress(FileNotFoundError):
            self.system.delete_file(f"{self.path}/{name}")

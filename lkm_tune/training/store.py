"""Where the files of a trial lie: in a folder that every node sees, or in an object store."""

from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pyarrow import fs

from lkm_tune.files import write_bytes


class Store(Protocol):
    """Files by name, each there whole or not at all."""

    def names(self) -> list[str]:
        """The names of all files, of those too that a kill has left half-written (`….part`)."""

    def read(self, name: str) -> bytes:
        """What is in a file.

        Raises:
            OSError: if it cannot be read.
        """

    def write(self, name: str, content: bytes) -> None:
        """Makes a file, or replaces it.

        Raises:
            OSError: if it cannot be written. What was there is there still.
        """

    def delete(self, name: str) -> None:
        """Removes a file, if it is there."""


def open_store(place: str | Path) -> Store:
    """The files under a folder, or under an address such as `s3://BUCKET/PATH` or `gs://…`.

    Raises:
        ValueError: if pyarrow knows no such kind of address.
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


class Folder:
    """Files of a folder, which is made with the first of them."""

    def __init__(self, path: Path) -> None:
        """Nothing is made on disk yet."""
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
        """See `Store`; it is on the disk, and not only on its way there, when this returns."""
        write_bytes(self.path / name, content)

    def delete(self, name: str) -> None:
        """See `Store`."""
        (self.path / name).unlink(missing_ok=True)


class Bucket:
    """Objects under a path of an object store: each appears when it has been sent whole."""

    def __init__(self, system: fs.FileSystem, path: str) -> None:
        """Asks the store for nothing yet.

        Args:
            system: of pyarrow.
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

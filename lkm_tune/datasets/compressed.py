"""Opens files that may be compressed, and describes errors in a few words."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from lkm_tune.datasets.molecules import DataError

_OPENERS: tuple[tuple[bytes, Callable[[Path], object]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
"""First bytes of each kind of compressed file, and its reader."""

UNREADABLE = (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, MemoryError)
"""Errors from opening and decoding a damaged, incomplete or wrong file."""

LONGEST_LINE = 1_000_000
"""Bytes of a line of text. A longer line is refused: it would fill the memory."""

LARGEST_RATIO = 200
"""The largest ratio of unpacked to compressed size; the ratio of text is below 100."""

SMALL = 20_000_000
"""Unpacked bytes below which the ratio does not matter."""

_LONGEST = 120
_CHUNK = 2**19
"""Bytes read at a time; fewer than `LONGEST_LINE`, so that no line within a part is too long."""


class _Unpacked(io.RawIOBase):
    """A compressed file, read up to the limit of `LARGEST_RATIO` and `SMALL`."""

    def __init__(self, file: Any, path: Path) -> None:
        """Reads `file`, the decompressed content of `path`."""
        self._file, self._path = file, path
        self._size = path.stat().st_size

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """As the file of the compressed content."""
        return bool(self._file.seekable())

    def seek(self, offset: int, whence: int = 0) -> int:
        """Goes to a place of the decompressed content."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """The place in the decompressed content."""
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        """Reads decompressed bytes.

        Raises:
            DataError: There are more than the limits allow.
        """
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        if self._file.tell() > max(SMALL, LARGEST_RATIO * self._size):
            raise DataError(
                f"{self._path}: a compressed file must unpack to at most {LARGEST_RATIO} times its "
                f"size, but {self._size:,} bytes unpack to more than {self._file.tell():,}"
            )
        return len(content)

    def close(self) -> None:
        """Closes the compressed file too."""
        self._file.close()
        super().close()


def open_decompressed(path: Path) -> IO[bytes]:
    """Opens a file for reading; its first bytes show whether it is compressed (gzip, bzip2, xz).

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        first = file.read(6)
    for magic, opener in _OPENERS:
        if first.startswith(magic):
            return cast(IO[bytes], io.BufferedReader(_Unpacked(opener(path), path)))
    return path.open("rb")


def open_text(path: Path) -> io.TextIOWrapper:
    """Opens a UTF-8 file as text, compressed or not, with or without a byte order mark.

    Raises:
        OSError: The file cannot be opened.
    """
    return io.TextIOWrapper(open_decompressed(path), encoding="utf-8-sig")


def text_parts(file: IO[bytes], name: Path | str) -> Iterator[bytes]:
    """The parts of a text file: an endless line is refused before it fills the memory.

    Args:
        file: Open to be read, decompressed.
        name: The name of the file in messages.

    Raises:
        DataError: A line has more than `LONGEST_LINE` bytes.
    """
    begun = 0
    while part := file.read(_CHUNK):
        ends = [part.find(end) for end in (b"\n", b"\r")]
        first = min((end for end in ends if end >= 0), default=len(part))
        if begun + first > LONGEST_LINE:
            raise DataError(
                f"{name}: a line must have at most {LONGEST_LINE:,} bytes, but one has more"
            )
        last = max(part.rfind(b"\n"), part.rfind(b"\r"))
        begun = begun + len(part) if last < 0 else len(part) - last - 1
        yield part


def in_short(error: BaseException) -> str:
    """The message of an error, on one line of printable characters, without raw bytes."""
    words = str(error)
    if isinstance(error, UnicodeDecodeError):
        words = f"{error.reason} at byte {error.start}"
    shown = "".join(c if c.isprintable() else " " for c in words)
    shown = " ".join(shown.split())
    shown = shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__

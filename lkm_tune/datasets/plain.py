"""Opening a file that may be compressed, and saying in a few words why it cannot be read."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

_OPENERS: tuple[tuple[bytes, Callable[[Path], object]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
"""First bytes of the kinds of compressed files, and what reads them."""

UNREADABLE = (OSError, EOFError, ValueError, lzma.LZMAError)
"""What opening and decoding raise for a file that is damaged, cut short or something else."""

_LONGEST = 120


def open_plain(path: Path) -> IO[bytes]:
    """Opens a file to be read, decompressed where its first bytes say gzip, bzip2 or xz.

    The name of the file does not matter.

    Raises:
        OSError: It cannot be opened.
    """
    with path.open("rb") as file:
        first = file.read(6)
    for magic, opener in _OPENERS:
        if first.startswith(magic):
            return cast(IO[bytes], opener(path))
    return path.open("rb")


def open_text(path: Path) -> io.TextIOWrapper:
    """Opens a UTF-8 file as text, compressed or not, with or without a byte order mark.

    Raises:
        OSError: It cannot be opened.
    """
    return io.TextIOWrapper(open_plain(path), encoding="utf-8-sig")


def in_short(error: BaseException) -> str:
    """What an error says, on one line of printable characters, without the bytes it holds."""
    words = str(error)
    if isinstance(error, UnicodeDecodeError):
        words = f"{error.reason} at byte {error.start}"
    shown = "".join(c if c.isprintable() else " " for c in words)
    shown = " ".join(shown.split())
    shown = shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__

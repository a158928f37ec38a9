"""Opens files that may be compressed, and describes errors in a few words."""

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
"""First bytes of each kind of compressed file, and its reader."""

UNREADABLE = (OSError, EOFError, ValueError, lzma.LZMAError)
"""Errors from opening and decoding a damaged, incomplete or wrong file."""

_LONGEST = 120


def open_decompressed(path: Path) -> IO[bytes]:
    """Opens a file for reading; its first bytes show whether it is compressed (gzip, bzip2, xz).

    Raises:
        OSError: The file cannot be opened.
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
        OSError: The file cannot be opened.
    """
    return io.TextIOWrapper(open_decompressed(path), encoding="utf-8-sig")


def in_short(error: BaseException) -> str:
    """The message of an error, on one line of printable characters, without raw bytes."""
    words = str(error)
    if isinstance(error, UnicodeDecodeError):
        words = f"{error.reason} at byte {error.start}"
    shown = "".join(c if c.isprintable() else " " for c in words)
    shown = " ".join(shown.split())
    shown = shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__

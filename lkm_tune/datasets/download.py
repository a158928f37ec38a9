"""Fetching a publisher's file: whole and checked, or not at all."""

import hashlib
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pooch
from filelock import FileLock

_CHUNK = 1 << 16
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Remote:
    """One file that a publisher serves.

    Attributes:
        url: Where.
        name: What it is called here.
        checksum: `md5:…`, `sha256:…`, or `git:…`, the id under which git keeps the file (SHA-1 of
            `blob SIZE`, a zero byte and the content). None where none is published: whatever
            reads the file must find out then whether it is the right one.
    """

    url: str
    name: str
    checksum: str | None


class DownloadError(Exception):
    """A file cannot be had: no network, a broken transfer, the wrong content, no place for it."""


def fetch(remote: Remote, folder: Path) -> Path:
    """Returns the file, downloaded into the folder unless it is there.

    It gets its name once it is whole and its checksum right; of several processes at once, one
    downloads and the others wait. A progress bar is shown where there is a terminal.

    Args:
        remote: The file.
        folder: Created where it is not there.

    Raises:
        DownloadError: It cannot be had, or what is had or was there has another checksum.
    """
    path = folder / remote.name

    def download(partial: Path) -> None:
        get = pooch.HTTPDownloader(
            progressbar=sys.stderr.isatty(), chunk_size=_CHUNK, timeout=_TIMEOUT_S
        )
        get(remote.url, str(partial), None)
        _verify(partial, remote, f"what {remote.url} serves")

    try:
        if not make_once(path, download):
            _verify(path, remote, f"the file {path}")
    except OSError as error:  # Failures of the network are among them.
        raise DownloadError(str(error)) from error
    return path


def make_once(path: Path, make: Callable[[Path], None]) -> bool:
    """Makes a file or folder unless it is there; whole or not at all, by one process at a time.

    Args:
        path: What shall be there.
        make: Writes it, under the name that it is given.

    Returns:
        Whether it was made now.

    Raises:
        OSError: The folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        if path.exists():
            return False
        partial = path.with_name(f"{path.name}.partial")
        try:
            _remove(partial)  # A process that was killed may have left one.
            make(partial)
            partial.rename(path)
        finally:
            _remove(partial)
        return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _verify(path: Path, remote: Remote, what: str) -> None:
    if remote.checksum is None:
        return
    found = checksum_of(path, remote.checksum.partition(":")[0])
    if found != remote.checksum:
        raise DownloadError(f"{what} must have the checksum {remote.checksum}, but has {found}")


def checksum_of(path: Path, kind: str) -> str:
    """Returns a file's checksum as `Remote.checksum` writes it.

    Args:
        path: The file.
        kind: `md5`, `sha256` or `git`.
    """
    digest = hashlib.new("sha1" if kind == "git" else kind, usedforsecurity=False)
    if kind == "git":
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"{kind}:{digest.hexdigest()}"

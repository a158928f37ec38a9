"""Atomic downloads of a publisher's files, with checksums."""

import hashlib
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

_CHUNK = 1 << 16
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Remote:
    """One file of a publisher.

    Attributes:
        url: Address of the file.
        name: Name in the cache.
        checksum: `md5:…`, `sha256:…`, or `git:…`, git's id of the file (SHA-1 of `blob SIZE`, a
            zero byte and the content). None if no checksum is published: the reader must then check
            the file.
    """

    url: str
    name: str
    checksum: str | None


class DownloadError(Exception):
    """A failed download: no network, a broken transfer, wrong content, or no space."""


def fetch(remote: Remote, folder: Path) -> Path:
    """Returns the file; downloads it into the folder if it is missing.

    The file gets its name when it is complete and its checksum is right. If several processes need
    it, one process downloads it and the others wait. A terminal shows a progress bar.

    Args:
        remote: The file.
        folder: The folder, which is created if missing.

    Raises:
        DownloadError: The download failed, or the file has another checksum.
    """
    path = folder / remote.name

    def download(partial: Path) -> None:
        import pooch  # pooch imports an HTTP client, which present files do not need.

        get = pooch.HTTPDownloader(
            progressbar=sys.stderr.isatty(), chunk_size=_CHUNK, timeout=_TIMEOUT_S
        )
        get(remote.url, str(partial), None)
        _verify(partial, remote, f"what {remote.url} serves")

    try:
        if not make_once(path, download):
            _verify(path, remote, f"the file {path}")
    except OSError as error:  # Includes failures of the network.
        raise DownloadError(str(error)) from error
    return path


def make_once(
    path: Path, make: Callable[[Path], None], is_whole: Callable[[Path], bool] = Path.exists
) -> bool:
    """Creates a missing file or folder atomically, in one process at a time.

    Args:
        path: The file or folder.
        make: Writes the file or folder to a given path.
        is_whole: Whether the existing path is complete; otherwise it is replaced.

    Returns:
        Whether it was created now.

    Raises:
        OSError: The folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        if is_whole(path):
            return False
        partial = path.with_name(f"{path.name}.partial")
        try:
            _remove(partial)  # A killed process may have left it.
            make(partial)
            _remove(path)
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
    """Returns a file's checksum in the form of `Remote.checksum`.

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

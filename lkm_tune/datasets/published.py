"""Finds a dataset's file: a path, LKM_TUNE_DATA, the cache, or its publisher."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lkm_tune.cache import DATA, cache_folder, named_folder
from lkm_tune.datasets.download import DownloadError, Remote, fetch, make_once
from lkm_tune.datasets.molecules import DataError

Unpack = Callable[[list[Path], Path], None]
"""A function that makes a dataset's file (second argument) from its publisher's files."""


@dataclass(frozen=True)
class Published:
    """A public dataset and its sources.

    Attributes:
        name: Name in messages.
        file: Path of its file (or folder) within LKM_TUNE_DATA.
        licence: Licence of the data.
        citation: The work to cite.
        remotes: The publisher's files, by names within the cache; empty if no publisher has them.
        unpack: Makes the file from the remotes; None if the only remote is the file.
        alike: Paths of equivalent files within a folder of data.
    """

    name: str
    file: str
    licence: str
    citation: str
    remotes: tuple[Remote, ...] = ()
    unpack: Unpack | None = None
    alike: tuple[str, ...] = ()


def locate(published: Published, source: str, cache: Path | None = None) -> Path:
    """Finds a dataset's file; downloads it if this machine does not have it.

    Args:
        published: The dataset.
        source: `auto`, which tries the folder in LKM_TUNE_DATA, then the cache, then the publisher;
            or a path to the file, or to a folder that holds it directly or in the layout of
            LKM_TUNE_DATA.
        cache: The cache, whose folder `downloads` holds downloads; None for the default of
            `open_prepared`.

    Returns:
        The path of the file, or of the dataset's folder.

    Raises:
        DataError: The file is not at the source, or its download failed: the message says what to
            download, from where, and where to put it.
    """
    if source != "auto":
        return _at(published, Path(source).expanduser())
    shared = named_folder(DATA)
    if shared:
        for file in (published.file, *published.alike):
            path = shared / file
            if path.exists():
                return path
    folder = (cache or cache_folder()) / "downloads"
    kept = folder / published.file
    return kept if kept.exists() else _download(published, folder)


def _at(published: Published, path: Path) -> Path:
    if path.is_file():
        return path
    names = []
    for file in (published.file, *published.alike):
        parts = Path(file).parts
        names += ["/".join(parts[first:]) for first in range(len(parts))]
    for name in names:
        if (path / name).exists():
            return path / name
    if path.is_dir() and path.name == Path(published.file).name:
        return path
    raise DataError(
        f"{published.name} must be at the given path, but "
        + (
            f"{path} holds none of {', '.join(names)}"
            if path.is_dir()
            else f"{path} does not exist"
        )
        + "; `auto` or a path are valid"
    )


def _download(published: Published, folder: Path) -> Path:
    target = folder / published.file
    if not published.remotes:
        raise DataError(
            f"{published.name}: no publisher serves this dataset as one file, so it cannot be "
            f"downloaded ({published.citation}). {_by_hand(published, target)}"
        )
    try:
        raw = [fetch(remote, folder) for remote in published.remotes]
        if published.unpack is None:
            return raw[0]
        unpack = published.unpack
        make_once(target, lambda partial: unpack(raw, partial))
    except (DownloadError, OSError) as error:
        wanted = " and ".join(f"{r.url} as {folder / r.name}" for r in published.remotes)
        raise DataError(
            f"{published.name} is not on this machine, and getting it failed: {error}. "
            f"Download {wanted} (a wrong file of that name must be deleted). Or: "
            f"{_by_hand(published, target)}"
        ) from error
    return target


def _by_hand(published: Published, target: Path) -> str:
    return (
        f"Put {published.file} into the folder that LKM_TUNE_DATA names, put it at {target}, or "
        "give its path as the source"
    )

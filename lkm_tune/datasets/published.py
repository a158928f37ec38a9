"""Where a dataset's file comes from: a path, LKM_TUNE_DATA, the cache, or its publisher."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lkm_tune.cache import DATA, cache_folder, named_folder
from lkm_tune.datasets.download import DownloadError, Remote, fetch, make_once
from lkm_tune.datasets.molecules import DataError

Unpack = Callable[[list[Path], Path], None]
"""Makes a dataset's file, of the name given second, from its publisher's files."""


@dataclass(frozen=True)
class Published:
    """A public dataset and how it is had.

    Attributes:
        name: For messages.
        file: Path of its file (or folder) within LKM_TUNE_DATA.
        licence: Under which it is published.
        citation: The work to cite.
        remotes: What its publisher serves, by names within the cache; empty where nobody serves it.
        unpack: Makes the file from those; None where the one remote is the file itself.
        alike: Other paths within a folder of data whose file is as good.
    """

    name: str
    file: str
    licence: str
    citation: str
    remotes: tuple[Remote, ...] = ()
    unpack: Unpack | None = None
    alike: tuple[str, ...] = ()


def locate(published: Published, source: str, cache: Path | None = None) -> Path:
    """Finds a dataset's file, downloading it where it is nowhere on this machine.

    Args:
        published: The dataset.
        source: `auto`, which looks into the folder that LKM_TUNE_DATA names, then into the cache,
            and then asks the publisher; or a path to the file or to a folder that holds it, under
            its own name or as LKM_TUNE_DATA does.
        cache: Downloads are kept in its folder `downloads`; None for the one of `prepare`.

    Returns:
        The path of the file, or of the folder where the dataset is one.

    Raises:
        DataError: It is not where the source says, or it must be downloaded and that failed: the
            message says what to download, from where, and where to put it.
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
        f"{published.name} must be at the path that was given, but "
        + (f"{path} holds none of {', '.join(names)}" if path.is_dir() else f"{path} is not there")
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

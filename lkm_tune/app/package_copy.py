"""A copy of the package, from which a study on a cluster runs."""

import shutil
from pathlib import Path
from uuid import uuid4

from lkm_tune.app.run import private_files
from lkm_tune.app.studies import Storage, storage_path
from lkm_tune.package import PACKAGE, package_digest


def package_copy(storage: Storage) -> Path | None:
    """A folder with a copy of this package and its shipped studies; None if this is such a copy.

    Another user of a cluster may replace the checkout while a study runs, and Python reads modules
    and other files of the package when they are first used.

    Args:
        storage: the folder of all studies.

    Raises:
        OSError: if the copy cannot be written.
    """
    copies = storage_path(storage) / "packages"
    if PACKAGE.is_relative_to(copies):
        return None
    place = copies / package_digest()
    if not place.is_dir():
        part = place.with_name(f"{place.name}.{uuid4().hex[:8]}.part")
        no_caches = shutil.ignore_patterns("__pycache__")
        with private_files():
            try:
                shutil.copytree(PACKAGE, part / PACKAGE.name, ignore=no_caches)
                studies = PACKAGE.parent / "search_spaces"
                if studies.is_dir():
                    shutil.copytree(studies, part / studies.name)
                part.rename(place)
            except OSError:
                # Another study may have made the same copy.
                if not place.is_dir():
                    raise
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return place

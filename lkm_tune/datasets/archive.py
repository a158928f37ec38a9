"""Reading NumPy archives that others wrote: checked, never trusted, never unpickled."""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lkm_tune.datasets.molecules import Array, DataError


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, Array]:
    """Reads the named arrays of an .npz file.

    Args:
        path: The file.
        names: Arrays that it must hold; others in it are left alone.

    Returns:
        Each name with its array.

    Raises:
        DataError: There is no such file, it is no NumPy archive or a broken one, it lacks an
            array, or an array holds Python objects (which reading would have to execute).
    """
    try:
        # Opened here, because numpy leaves a file open that turns out to be no archive.
        with path.open("rb") as file:
            return _read(path, np.load(file, allow_pickle=False), list(names))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except DataError:
        raise
    except ValueError as error:
        if "pickle" in str(error):
            raise DataError(
                f"{path}: must hold plain numbers and text, but holds pickled Python objects, "
                "which are not read because unpickling can run any code"
            ) from error
        raise DataError(f"{path}: is not a readable .npz archive ({error})") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path}: is not a readable .npz archive, perhaps cut short ({error})"
        ) from error


def _read(path: Path, archive: object, wanted: list[str]) -> dict[str, Array]:
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DataError(f"{path}: must be an .npz archive, but is a single array")
    missing = [name for name in wanted if name not in archive.files]
    if missing:
        raise DataError(
            f"{path}: lacks the arrays {', '.join(missing)}; "
            f"it has {', '.join(archive.files) or 'none'}"
        )
    return {name: archive[name] for name in wanted}

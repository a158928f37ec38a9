"""Reads untrusted NumPy archives, with checks and without pickles."""

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lkm_tune.datasets.compressed import in_short, open_decompressed
from lkm_tune.datasets.molecules import Array, DataError


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, Array]:
    """Reads the named arrays of an .npz file.

    Args:
        path: The file.
        names: Necessary arrays; other arrays are ignored.

    Returns:
        Each name with its array.

    Raises:
        DataError: The file is missing or no valid NumPy archive, it lacks an array, or an array
            holds Python objects, which could run code.
    """
    with _opened(path) as archive:
        wanted = list(names)
        missing = [name for name in wanted if name not in archive.files]
        if missing:
            raise DataError(
                f"{path}: lacks the arrays {', '.join(missing)}; "
                f"it has {', '.join(archive.files) or 'none'}"
            )
        return {name: archive[name] for name in wanted}


def list_arrays(path: Path) -> list[str]:
    """The names of the arrays of an .npz file; reads no array.

    Raises:
        DataError: The file is missing or no valid NumPy archive.
    """
    with _opened(path) as archive:
        return list(archive.files)


def check_array(path: Path, name: str, array: Array, kinds: str, *shape: int) -> None:
    """Checks type and shape of an array.

    Args:
        path: The file, for the message.
        name: The name of the array.
        array: The array.
        kinds: Valid kinds of numbers by NumPy's letters: `iu` for integers, `fiu` for real numbers.
        shape: The valid shape; -1 stands for any size.

    Raises:
        DataError: The type or the shape is wrong.
    """
    if array.dtype.kind not in kinds:
        wanted = "real" if "f" in kinds else "whole"
        raise DataError(f"{path}: {name} must hold {wanted} numbers, but holds {array.dtype}")
    fits = len(shape) == array.ndim and all(
        size in (-1, found) for size, found in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size == -1 else str(size) for size in shape)
        raise DataError(f"{path}: {name} must have the shape ({wanted}), but has {array.shape}")


@contextmanager
def _opened(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """A context with the open archive; it turns errors into errors of the file."""
    try:
        # This function opens the file, because numpy does not close a file that is no archive.
        with open_decompressed(path) as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: must be an .npz archive, but is a single array")
            yield archive
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
        raise DataError(f"{path}: is not a readable .npz archive ({in_short(error)})") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path}: is not a readable .npz archive, perhaps cut short ({in_short(error)})"
        ) from error

"""Reads untrusted NumPy archives, with checks and without pickles."""

import math
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np

from lkm_tune.datasets.compressed import (
    LARGEST_RATIO,
    SMALL,
    UNREADABLE,
    in_short,
    open_decompressed,
)
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
        for name in wanted:
            _check_size(path, archive, name)
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


def _check_size(path: Path, archive: np.lib.npyio.NpzFile, name: str) -> None:
    """Checks that an array is as large as its header says, and no bomb, before it is read."""
    members = cast(zipfile.ZipFile, archive.zip)
    member = members.getinfo(f"{name}.npy" if f"{name}.npy" in members.namelist() else name)
    if member.file_size > max(SMALL, LARGEST_RATIO * member.compress_size):
        raise DataError(
            f"{path}: a compressed array must unpack to at most {LARGEST_RATIO} times its size, "
            f"but {name} has {member.compress_size:,} bytes and says {member.file_size:,}"
        )
    with members.open(member) as file:
        if np.lib.format.read_magic(file) == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            return  # Names of fields in Unicode or by the thousand: no array that is read here.
        said, there = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
    if said != there and not dtype.hasobject:
        raise DataError(
            f"{path}: {name} says that it has the shape {shape} and {said:,} bytes, but has "
            f"{there:,}"
        )


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
    except (*UNREADABLE, LookupError, RuntimeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: is not a readable .npz archive, perhaps cut short ({in_short(error)})"
        ) from error

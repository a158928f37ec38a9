"""A user's own molecules from an extended XYZ file, read by ASE, whose units are eV and Å."""

import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np

from lkm_tune.datasets.molecules import Array, DataError, Molecules
from lkm_tune.datasets.problems import refuse_any

_CHARGES = ("charge", "total_charge", "charges", "initial_charges")


def read_xyz(path: Path, target: str, forces: str | None = None) -> Molecules:
    """Reads isolated, neutral molecules, one a frame.

    Args:
        path: An extended XYZ file.
        target: Key of a number in each frame's comment line, as `energy`.
        forces: Name of a column of three numbers an atom, −∂target/∂position; None for none.

    Returns:
        The molecules in the file's order, numbered from 0, in the units of the file: eV, Å and
        eV/Å by ASE's convention.

    Raises:
        DataError: The file cannot be read, or frames are periodic, charged, repeated or without
            the target or the forces; the message names up to ten frames, counted from 0.
    """
    frames = _read_frames(path)
    problems: list[str] = []
    values: list[float] = []
    slopes: list[Array] = []
    seen: dict[tuple[bytes, bytes], int] = {}
    for number, atoms in enumerate(frames):
        told = _refusal(atoms)
        value = _number(atoms, target, told)
        slope = None if forces is None else _slope(atoms, forces, told)
        first = seen.setdefault((atoms.numbers.tobytes(), atoms.positions.tobytes()), number)
        if first != number:
            told.append(f"is the same as frame {first}")
        problems += [f"frame {number} {problem}" for problem in told]
        values.append(value)
        if slope is not None:
            slopes.append(slope)
    refuse_any(path, problems)
    return Molecules(
        name=str(path),
        ids=np.arange(len(frames)),
        n_atoms=np.array([len(atoms) for atoms in frames]),
        z=np.concatenate([atoms.numbers for atoms in frames]).astype(np.uint8),
        pos=np.concatenate([atoms.positions for atoms in frames]).astype(np.float32),
        targets={target: np.array(values)},
        forces={target: np.concatenate(slopes).astype(np.float32)} if slopes else {},
    )


def _read_frames(path: Path) -> Sequence[ase.Atoms]:
    try:
        _check_counts(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frames = list(ase.io.iread(path, index=":", format="extxyz"))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except DataError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: is not a readable extended XYZ file ({error!r})") from error
    if not frames:
        raise DataError(f"{path}: there must be molecules, but there are none")
    return frames


def _check_counts(path: Path) -> None:
    """Checks that every frame has as many lines as it says; ASE trusts a wrong count for ever."""
    with path.open(encoding="utf-8") as file:
        number = 0
        while (line := file.readline()).strip():
            if not line.strip().isdecimal() or int(line) < 1:
                raise DataError(
                    f"{path}: frame {number} (counted from 0) must begin with the number of its "
                    f"atoms, but begins with {line.strip()[:40]!r}"
                )
            # A line at a time: the count may be anything.
            found = sum(1 for _ in islice(file, min(int(line), 2**40) + 1))
            if found < int(line) + 1:
                raise DataError(
                    f"{path}: frame {number} (counted from 0) must have {int(line)} atoms, but "
                    f"the file ends after {max(found - 1, 0)}. Was it cut short?"
                )
            number += 1
        if line and file.read().strip():
            raise DataError(f"{path}: frame {number} (counted from 0) follows an empty line")


def _refusal(atoms: ase.Atoms) -> list[str]:
    """What keeps every model from taking this frame."""
    if len(atoms) == 0:
        return ["has no atoms"]
    told = []
    if atoms.pbc.any():
        told.append('is periodic, which no model can take; pbc="F F F" says that it is not')
    for key, value in {**atoms.info, **atoms.arrays}.items():
        if key.lower() in _CHARGES:
            charges = np.asarray(value)
            total = charges.sum() if charges.dtype.kind in "fiu" else np.nan
            if not abs(total) < 1e-3:
                what = f"{total:g}" if np.isfinite(total) else repr(value)
                told.append(f"has {key} {what}, which no model can see: it must be neutral")
    if atoms.numbers.min() < 1:
        told.append("has an atom of no element")
    if not np.isfinite(atoms.positions).all():
        told.append("has a position that is not finite")
    return told


def _number(atoms: ase.Atoms, key: str, told: list[str]) -> float:
    """The value of a key of the frame; where it has none, that is told."""
    known = {**_results(atoms), **atoms.info}
    if key not in known:
        numbers = sorted(name for name, value in known.items() if _is_number(value))
        told.append(f"has no {key}; it has the numbers {', '.join(numbers) or 'none'}")
    elif not _is_number(known[key]) or not np.isfinite(known[key]):
        told.append(f"must have one finite number as {key}, but has {known[key]!r}"[:200])
    else:
        return float(known[key])
    return np.nan


def _slope(atoms: ase.Atoms, key: str, told: list[str]) -> Array | None:
    """The forces [A, 3]; where there are none, that is told."""
    known = {**_results(atoms), **atoms.arrays}
    shape = (len(atoms), 3)
    columns = {name: np.asarray(value) for name, value in known.items()}
    fitting = sorted(
        name for name, value in columns.items() if value.shape == shape and name != "positions"
    )
    if key not in fitting:
        told.append(f"has no three {key} an atom; it has {', '.join(fitting) or 'none'}")
    elif columns[key].dtype.kind not in "fiu" or not np.isfinite(columns[key]).all():
        told.append(f"has {key} that are not finite numbers")
    else:
        return columns[key]
    return None


def _results(atoms: ase.Atoms) -> dict[str, Any]:
    """What ASE takes for the results of a calculation, as it does with `energy` and `forces`."""
    return {} if atoms.calc is None else dict(atoms.calc.results)


def _is_number(value: object) -> bool:
    array = np.asarray(value)
    return array.ndim == 0 and array.dtype.kind in "fiu"

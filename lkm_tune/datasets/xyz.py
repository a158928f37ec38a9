"""A user's molecules from an extended XYZ file, read by ASE, with its units eV and Å."""

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import ase
import ase.io
import numpy as np

from lkm_tune.datasets.causes import hartree_in
from lkm_tune.datasets.charges import charge_problems
from lkm_tune.datasets.compressed import (
    UNREADABLE,
    in_short,
    open_decompressed,
    open_text,
    text_parts,
)
from lkm_tune.datasets.molecules import MOST_ATOMS, Array, DataError, Molecules, single_precision
from lkm_tune.datasets.physics import check_physics
from lkm_tune.datasets.problems import refuse_any
from lkm_tune.datasets.repeated_positions import find_repeats

# Names of the loss weight of a frame, its energy or its forces in MACE and other programs.
_WEIGHT = re.compile(r"config(_\w+)?_weight|(energy|forces?|sample|frame|loss)_weight", re.I)


# ASE creates the number of columns in `Properties`, without a limit.
_WIDE = re.compile(r"""Properties\s*=\s*["'{\[]?\S*?:(\d{5,})""", re.I)

_QUOTED = re.compile(r"""(?<==)\s*("(\\.|[^"\\])*"|'[^']*'|\{[^}]*\}|\[[^]]*\])""")
_KEY = re.compile(r"([^\s=\"']+)\s*=")

FARTHEST = 1e8
"""Largest distance from the origin in Å at which double precision keeps a position's digits."""

LARGEST = 1e30
"""Largest component of forces, which must fit into single precision."""


def read_xyz(
    path: Path,
    target: str,
    forces: str | None = None,
    unit: str = "eV",
    unchecked: bool = False,
) -> Molecules:
    """Reads isolated, neutral molecules, one per frame.

    Args:
        path: An extended XYZ file, compressed or not.
        target: Key of a number in each frame's comment line, such as `energy`.
        forces: Name of the column −∂target/∂position, three numbers per atom; None for no forces.
        unit: Unit of the target.
        unchecked: Whether to skip `check_physics` and the rule on repeated frames.

    Returns:
        The centred molecules in the file's order, numbered from 0, in the units of the file: eV, Å
        and eV/Å by ASE's convention. Isolated atoms with their `config_type` are left out.

    Raises:
        DataError: The file cannot be read, or frames are periodic, charged, weighted, repeated or
            without the target or the forces, or a unit or a sign is wrong; the message names up to
            ten frames, counted from 0.
    """
    frames = read_frames(path)
    ids, remarks = _without_isolated_atoms(frames)
    frames = [frames[place] for place in ids]
    problems: list[tuple[int, str]] = []
    values: list[float] = []
    slopes: list[Array] = []
    for number, atoms in zip(ids, frames, strict=True):
        told = [*frame_problems(atoms), *_weights(atoms)]
        values.append(_number(atoms, target, told))
        slope = None if forces is None else _slope(atoms, forces, told)
        if slope is not None:
            slopes.append(slope)
        problems += [(number, problem) for problem in told]
    pos, n_atoms = _joined(frames, "positions"), np.array([len(atoms) for atoms in frames])
    z = _joined(frames, "numbers")
    if not problems and not unchecked:
        again = "again, after translation and rotation"
        repeats = find_repeats(z, pos, n_atoms)
        problems = [(ids[later], f"is frame {ids[earlier]} {again}") for later, earlier in repeats]
    refuse_any(path, [f"frame {number} {problem}" for number, problem in problems])
    molecules = Molecules(
        name=str(path),
        ids=np.array(ids),
        n_atoms=n_atoms,
        z=z.astype(np.uint8),
        pos=single_precision(pos, n_atoms),
        targets={target: np.array(values)},
        forces={target: np.concatenate(slopes).astype(np.float32)} if slopes else {},
        remarks=remarks,
    )
    if not unchecked:
        check_physics(molecules, target, hartree_in(unit))
    return molecules


def read_frames(path: Path) -> Sequence[ase.Atoms]:
    """Reads the frames of an extended XYZ file, compressed or not.

    Raises:
        DataError: The file cannot be read, or a frame has a wrong number of lines.
    """
    try:
        with open_decompressed(path) as whole:
            for _ in text_parts(whole, path):
                pass  # Whole lines can be read from here on.
        with open_text(path) as file:
            _check_counts(path, file)
        with open_text(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frames = list(ase.io.iread(file, index=":", format="extxyz"))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except DataError:
        raise
    except KeyError as error:
        raise DataError(
            f"{path}: no element and no kind of column has the symbol {error.args[0]!r}"[:300]
        ) from error
    except (*UNREADABLE, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise DataError(
            f"{path}: is not a readable extended XYZ file ({in_short(error)})"
        ) from error
    if not frames:
        raise DataError(f"{path}: there must be molecules, but there are none")
    return frames


def _without_isolated_atoms(frames: Sequence[ase.Atoms]) -> tuple[list[int], tuple[str, ...]]:
    """Places of the frames to learn from, and a remark on the others.

    Files for GAP and MACE hold every element as a frame of one atom with a `config_type`. Its
    energy is a reference, not a sample: a single atom has no neighbours to learn from.
    """
    kept = [place for place, atoms in enumerate(frames) if not _is_reference(atoms)]
    isolated = len(frames) - len(kept)
    if not isolated or not kept:
        return list(range(len(frames))), ()
    return kept, (
        f"{isolated} of {len(frames)} frames are isolated atoms by their config_type and are left "
        "out: energies of free atoms are fitted to the training part",
    )


def _is_reference(atoms: ase.Atoms) -> bool:
    kind = str(atoms.info.get("config_type", "")).lower().replace("_", "")
    return len(atoms) == 1 and kind == "isolatedatom"


def _joined(frames: Sequence[ase.Atoms], array: str) -> Array:
    return np.concatenate([atoms.arrays[array] for atoms in frames])


def _check_counts(path: Path, file: TextIO) -> None:
    """Checks what ASE trusts: numbers of lines and columns, long lines, repeated keys."""
    number = 0
    while (line := file.readline()).strip():
        frame = f"{path}: frame {number} (counted from 0)"
        # Digits of other scripts pass int() and isdecimal() but are no valid number here.
        if not (line.isascii() and line.strip().isdecimal()) or int(line[:30]) < 1:
            raise DataError(
                f"{frame} must begin with the number of its atoms, but begins with "
                f"{line.strip()[:40]!r}"
            )
        count = int(line[:30])
        if count > MOST_ATOMS:
            raise DataError(f"{frame} must have at most {MOST_ATOMS:,} atoms, but says {count:,}")
        comment = file.readline()
        if wide := _WIDE.search(comment):
            raise DataError(
                f"{frame} must have columns of at most 9999 numbers, but has a column of "
                f"{wide[1][:40]}"
            )
        if twice := [key for key, times in Counter(_keys(comment)).items() if times > 1]:
            raise DataError(f"{frame} must have each key once, but has {twice[0][:40]} again")
        found = sum(1 for _ in islice(file, count))
        if found < count:
            raise DataError(
                f"{frame} must have {count} atoms, but the file ends after {found}. "
                "Was it cut short?"
            )
        number += 1
    while rest := file.read(2**20):
        if rest.strip():
            raise DataError(f"{path}: frame {number} (counted from 0) follows an empty line")


def _keys(comment: str) -> list[str]:
    """The keys of a frame's comment line, without text in quotes."""
    return _KEY.findall(_QUOTED.sub("", comment))


def frame_problems(atoms: ase.Atoms) -> list[str]:
    """The problems of a frame for every model, as sentences without a subject."""
    if len(atoms) == 0:
        return ["has no atoms"]
    if len(atoms) > MOST_ATOMS:
        return [f"must have at most {MOST_ATOMS:,} atoms, but has {len(atoms):,}"]
    told = []
    if atoms.pbc.any():
        told.append('is periodic, which no model can use; pbc="F F F" marks an isolated molecule')
    told += charge_problems(atoms)
    if atoms.numbers.min() < 1:
        told.append("has an atom of no element")
    if not np.isfinite(atoms.positions).all():
        told.append("has a position that is not finite")
    elif np.abs(atoms.positions).max() > FARTHEST:
        farthest = np.abs(atoms.positions).max()
        told.append(
            f"has an atom {farthest:.3g} Å from the origin, but it must be within {FARTHEST:g} Å"
        )
    return told


def _weights(atoms: ase.Atoms) -> list[str]:
    """Sentences on loss weights, which training does not use."""
    weights = {key: value for key, value in atoms.info.items() if _WEIGHT.fullmatch(key)}
    return [
        f"has {key} {_plain(value)}"[:100]
        + ", but all frames weigh the same in training: take the key "
        "out of the file, or leave frames of weight 0 out"
        for key, value in weights.items()
        if not (_is_number(value) and value == 1)
    ]


def _number(atoms: ase.Atoms, key: str, told: list[str]) -> float:
    """The value of a key of the frame; adds a sentence to `told` if it is missing."""
    known = {**_results(atoms), **atoms.info}
    if key not in known:
        numbers = sorted(name for name, value in known.items() if _is_number(value))
        told.append(f"has no {key}; it has the numbers {', '.join(numbers) or 'none'}")
    elif not _is_number(known[key]) or not np.isfinite(known[key]):
        told.append(f"must have one finite number as {key}, but has {_plain(known[key])}"[:200])
    else:
        return float(known[key])
    return np.nan


def _slope(atoms: ase.Atoms, key: str, told: list[str]) -> Array | None:
    """The forces [A, 3]; adds a sentence to `told` if they are missing."""
    known = {**_results(atoms), **atoms.arrays}
    shape = (len(atoms), 3)
    columns = {name: np.asarray(value) for name, value in known.items()}
    fitting = sorted(
        name for name, value in columns.items() if value.shape == shape and name != "positions"
    )
    if key not in fitting:
        told.append(f"has no {key} (three per atom); it has {', '.join(fitting) or 'none'}")
    elif columns[key].dtype.kind not in "fiu" or not (np.abs(columns[key]) < LARGEST).all():
        told.append(f"has {key} that are not finite numbers below {LARGEST:g}")
    else:
        return columns[key]
    return None


def _results(atoms: ase.Atoms) -> dict[str, Any]:
    """The values that ASE treats as results of a calculation, such as `energy` and `forces`."""
    return {} if atoms.calc is None else dict(atoms.calc.results)


def _plain(value: object) -> str:
    """A value without the name of NumPy's type."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def _is_number(value: object) -> bool:
    array = np.asarray(value)
    return array.ndim == 0 and array.dtype.kind in "fiu"

"""The charge of a frame, wherever ASE or the writer of a file puts it."""

import re
from collections.abc import Iterator
from typing import Any

import ase
import numpy as np

from lkm_tune.datasets.molecules import Array

# q, charge, total_charge, mol_charge, netCharge, initial_charges, mulliken-charges and so on.
_NAMES = re.compile(r"(q|chg|qtot|qtotal|totq|charge|.*[a-z]?charges?)")
_OTHERS = re.compile(r"(nuclear|core|valence|atomic|bader|spin|ionic|max|min|dipole)")
"""Beginnings of names that end in `charge` and mean no charge of the molecule or its atoms."""

ROUNDING = 0.5
"""A total charge is a whole number: partial charges that sum to less than this sum to 0."""


def charge_problems(atoms: ase.Atoms) -> list[str]:
    """Says where a frame is told to be charged; nothing for a neutral one."""
    problems = []
    for key, value in _charges(atoms):
        numbers = _numbers(value)
        total = float(numbers.sum()) if numbers is not None else np.nan
        if not abs(total) < ROUNDING:
            what = f"{total:g}" if np.isfinite(total) else repr(value)[:60]
            problems.append(f"has {key} {what}, which no model can see: it must be neutral")
    return problems


def _charges(atoms: ase.Atoms) -> Iterator[tuple[str, Any]]:
    results = {} if atoms.calc is None else atoms.calc.results
    for key, value in {**atoms.info, **atoms.arrays, **results}.items():
        name = re.sub(r"[^a-z]", "", key.lower())
        if _NAMES.fullmatch(name) and not _OTHERS.match(name):
            yield key, value


def _numbers(value: Any) -> Array | None:
    """The value as numbers; None where it has other words."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None

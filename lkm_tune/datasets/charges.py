"""The charge of a frame, from any place where ASE or the writer of a file puts it."""

import re
from collections.abc import Iterator
from typing import Any

import ase
import numpy as np

from lkm_tune.datasets.molecules import Array

# q, charge, total_charge, mol_charge, netCharge, initial_charges, mulliken-charges and so on.
_NAMES = re.compile(r"(q|chg|qtot|qtotal|totq|charge|.*[a-z]?charges?)")
_OTHERS = re.compile(r"(nuclear|core|valence|atomic|bader|spin|ionic|max|min|dipole)")
"""Prefixes of names that end in `charge` without meaning a charge of the molecule or its atoms."""

ROUNDING = 0.5
"""Partial charges with a smaller sum count as neutral: a total charge is a whole number."""


def charge_problems(atoms: ase.Atoms) -> list[str]:
    """The charges of a frame, in sentences; none for a neutral frame."""
    problems = []
    for key, value in _charges(atoms):
        numbers = _numbers(value)
        total = float(numbers.sum()) if numbers is not None else np.nan
        if not abs(total) < ROUNDING:
            what = f"{total:g}" if np.isfinite(total) else repr(value)[:60]
            problems.append(f"has {key} {what}, which no model can use: it must be neutral")
    return problems


def _charges(atoms: ase.Atoms) -> Iterator[tuple[str, Any]]:
    results = {} if atoms.calc is None else atoms.calc.results
    for key, value in {**atoms.info, **atoms.arrays, **results}.items():
        name = re.sub(r"[^a-z]", "", key.lower())
        if _NAMES.fullmatch(name) and not _OTHERS.match(name):
            yield key, value


def _numbers(value: Any) -> Array | None:
    """The value as numbers; None if the value contains other text."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None

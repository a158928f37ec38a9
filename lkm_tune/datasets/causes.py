"""The likely cause of a number that is wrong by a factor: a unit or a sign."""

from collections.abc import Mapping

import numpy as np

from lkm_tune.datasets.dataset import BOHR, HARTREE_IN_KCAL_MOL

HARTREE_IN: Mapping[str, float] = {
    "Hartree": 1.0,
    "eV": 27.211386245988,
    "meV": 27211.386245988,
    "kcal/mol": HARTREE_IN_KCAL_MOL,
    "kJ/mol": 2625.4996394799,
}
"""One Hartree in the usual units of energy (CODATA 2018)."""

LENGTHS: Mapping[str, float] = {
    "bohr": 1 / BOHR,
    "nm": 0.1,
    "pm": 100.0,
    "Å that were converted as if they were bohr": BOHR,
}
"""Unit of positions -> one Å in this unit."""

_OTHER_NAMES = {
    "ha": "Hartree", "hartrees": "Hartree", "eh": "Hartree", "a.u.": "Hartree", "au": "Hartree",
    "kcal mol-1": "kcal/mol", "kcal": "kcal/mol", "kj mol-1": "kJ/mol", "kj": "kJ/mol",
}  # fmt: skip


def hartree_in(unit: str) -> float | None:
    """One Hartree in a user's unit; None for a unit that is no unit of energy."""
    word = unit.strip().lower()
    known = {name.lower(): name for name in HARTREE_IN}
    name = known.get(word) or _OTHER_NAMES.get(word)
    return HARTREE_IN[name] if name else None


def force_units(hartree: float) -> dict[str, float]:
    """Unit of forces -> factor from the energy unit per Å; one Hartree is `hartree` in that unit.

    One Hartree/Å is 0.529 Hartree/bohr.
    """
    per_length = {"Å": 1.0, "bohr": BOHR}
    return {
        f"{energy}/{length}": in_energy * in_length / hartree
        for energy, in_energy in HARTREE_IN.items()
        for length, in_length in per_length.items()
    }


def energy_beside_forces() -> dict[str, float]:
    """Pair of units -> change of the energy over the work of the forces."""
    factors = {"energies per Å with forces per bohr": 1 / BOHR}
    for energy, in_energy in HARTREE_IN.items():
        for force, in_force in HARTREE_IN.items():
            if energy != force:
                factors[f"energies in {energy} with forces in {force}/Å"] = in_energy / in_force
        if energy != "Hartree":
            factors[f"energies in {energy} with forces in Hartree/bohr"] = in_energy / BOHR
    return factors


def likely(factor: float, known: Mapping[str, float], flipped: str = "") -> str:
    """The best explanation of a factor, as a sentence; empty if no cause is near.

    Args:
        factor: Measured value over the right value.
        known: Causes and their factors.
        flipped: The cause of a negative factor.
    """
    said = []
    if factor < 0 and flipped:
        said.append(flipped)
    size = abs(factor)
    if size > 0 and not 0.72 < size < 1.39:
        name, nearest = min(known.items(), key=lambda item: abs(np.log(item[1] / size)))
        if abs(np.log(nearest / size)) < np.log(1.35):
            said.append(f"it looks like {name}")
    return "; ".join(said)

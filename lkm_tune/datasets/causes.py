"""The likely cause of a number that is some factor off: a unit, a sign."""

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
    "Å that were taken for bohr and turned into Å": BOHR,
}
"""One Å in the units that positions are found in."""

_OTHER_NAMES = {
    "ha": "Hartree", "hartrees": "Hartree", "eh": "Hartree", "a.u.": "Hartree", "au": "Hartree",
    "kcal mol-1": "kcal/mol", "kcal": "kcal/mol", "kj mol-1": "kJ/mol", "kj": "kJ/mol",
}  # fmt: skip


def hartree_in(unit: str) -> float | None:
    """One Hartree in a unit as a user writes it; None for a unit that is not of energies."""
    word = unit.strip().lower()
    known = {name.lower(): name for name in HARTREE_IN}
    name = known.get(word) or _OTHER_NAMES.get(word)
    return HARTREE_IN[name] if name else None


def force_units(hartree: float) -> dict[str, float]:
    """What forces in other units are of forces in the unit of which a Hartree has `hartree`, per Å.

    One Hartree/Å is 0.529 Hartree/bohr.
    """
    per_length = {"Å": 1.0, "bohr": BOHR}
    return {
        f"{energy}/{length}": in_energy * in_length / hartree
        for energy, in_energy in HARTREE_IN.items()
        for length, in_length in per_length.items()
    }


def energy_beside_forces() -> dict[str, float]:
    """What energies change by, over the work of the forces, when the two have different units."""
    factors = {"energies per Å beside forces per bohr": 1 / BOHR}
    for energy, in_energy in HARTREE_IN.items():
        for force, in_force in HARTREE_IN.items():
            if energy != force:
                factors[f"energies in {energy} beside forces in {force}/Å"] = in_energy / in_force
        if energy != "Hartree":
            factors[f"energies in {energy} beside forces in Hartree/bohr"] = in_energy / BOHR
    return factors


def likely(factor: float, known: Mapping[str, float], flipped: str = "") -> str:
    """The cause that explains a factor best, as a sentence; empty where none comes near.

    Args:
        factor: Measured over what is right.
        known: Causes and their factors.
        flipped: What a negative factor means.
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

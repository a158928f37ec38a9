"""Rules for every file with positions: the unit of positions, the unit and the sign of forces.

They need no knowledge of the molecules. A rule without sufficient data passes. The limits are far
from the values of molecules and from the values of the nearest wrong unit.
"""

from functools import cache

import ase.data
import numpy as np

from lkm_tune.datasets.causes import HARTREE_IN, LENGTHS, force_units, likely
from lkm_tune.datasets.molecules import (
    Array,
    DataError,
    FloatArray,
    Molecules,
    PhysicalCheckError,
    free_atoms,
)
from lkm_tune.datasets.trajectory import ALL_ELECTRONS, check_work, hydrogen_bonds, sample_frames
from lkm_tune.elements import SYMBOLS

BOND_RATIO = (0.75, 1.4)
"""Distance of an atom to its nearest neighbour over the sum of both covalent radii: 0.9 to 1.1 in
molecules, 1.9 for positions in bohr."""

TYPICAL_STIFFNESS = {6: 1.15, 7: 1.5, 8: 1.8}
"""Hartree/Å² of C–H, N–H and O–H bonds: 4.5 to 8 mdyn/Å."""

STIFFNESS_RATIO = {6: (0.65, 1.55), 7: (0.4, 1.7), 8: (0.4, 1.7)}
"""Stiffness by the forces over the typical stiffness. Forces per bohr instead of per Å would give
0.53, which C–H bonds detect; a hydrogen bond can weaken N–H and O–H bonds by the same factor."""

_GO_ON = "\n  To go on without these checks: `data: {unchecked: true}`"

# Elements whose bond lengths equal the sum of covalent radii.
_COVALENT = np.isin(np.arange(119), [1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 32, 33, 34, 35, 53])
_FEWEST_ATOMS = 12
_FEWEST_BONDS = 30


def check_physics(molecules: Molecules, name: str, hartree: float | None) -> None:
    """Runs every rule that the data allow.

    Args:
        molecules: The molecules, with positions.
        name: Name of the target, and of its forces if there are any.
        hartree: One Hartree in the target's unit; None if it is no unit of energy.

    Raises:
        PhysicalCheckError: A rule does not hold; the message has the value and the likely cause.
    """
    try:
        check_bond_lengths(molecules)
        if name in molecules.forces:
            moving = hartree is not None and check_stiffness(molecules, name, hartree)
            check_work(molecules, name, moving)
        if hartree is not None:
            check_total(molecules, name, hartree)
    except DataError as error:
        raise PhysicalCheckError(f"{error}{_GO_ON}") from error


def check_bond_lengths(molecules: Molecules) -> None:
    """Checks that positions are in Å, by the distance of each atom to its nearest neighbour.

    Hydrogens decide if there are enough, otherwise other atoms. The rule breaks only if nine of ten
    atoms are beyond a limit, so that broken bonds and single unusual molecules do not matter.

    Raises:
        DataError: Bonds are too long or too short for every kind of bond.
    """
    numbers, ratios = _nearest(molecules)
    hydrogens = ratios[numbers == 1]
    chosen = hydrogens if len(hydrogens) >= _FEWEST_ATOMS else ratios
    if len(chosen) < _FEWEST_ATOMS:
        return
    short, long = np.quantile(chosen, [0.1, 0.9])
    low, high = BOND_RATIO
    if short > high or long < low:
        middle = float(np.median(chosen))
        raise DataError(
            f"{molecules.name}: bonds must be {low:g}..{high:g} times the sum of covalent radii, "
            f"but the median of {len(chosen)} is {middle:.3g} times. Positions must be in Å"
            + _cause(likely(middle, LENGTHS))
        )


def check_stiffness(molecules: Molecules, name: str, hartree: float) -> bool:
    """Checks unit and sign of forces by the stiffness of bonds of hydrogen.

    The force that pulls a hydrogen back grows with its distance. The rule passes if forces and
    distances are not correlated, as for relaxed molecules and scans of angles.

    Returns:
        Whether forces and distances are correlated, as in vibrating molecules.

    Raises:
        DataError: Bonds are much too stiff or too soft, or the forces push them apart.
    """
    moving = False
    lengths, pulls, heavy = hydrogen_bonds(molecules, molecules.forces[name])
    lengths, pulls, heavy = (values[lengths < 1.6] for values in (lengths, pulls, heavy))
    for element, typical in TYPICAL_STIFFNESS.items():
        length, pull = lengths[heavy == element], pulls[heavy == element] / hartree
        if len(length) < _FEWEST_BONDS or length.std() < 0.005 or pull.std() == 0:
            continue
        agreement = float(np.corrcoef(length, pull)[0, 1])
        if abs(agreement) < 0.8:
            continue
        moving = True
        ratio = -np.sign(agreement) * float(pull.std() / length.std()) / typical
        low, high = STIFFNESS_RATIO[element]
        if not low <= ratio <= high:
            symbol = SYMBOLS[element]
            sign = "forces have the other sign, as gradients do"
            raise DataError(
                f"{molecules.name}: the stiffness of {symbol}–H bonds by the forces must lie in "
                f"{low * typical:.2g}..{high * typical:.2g} Hartree/Å², but is "
                f"{ratio * typical:.3g}" + _cause(likely(ratio, force_units(hartree), sign))
            )
    return moving


def check_total(molecules: Molecules, name: str, hartree: float) -> None:
    """Checks the unit of total energies.

    A total energy of all electrons is 0.98 to 1.05 times the energy of the free atoms. Energies
    that are in this range in another unit have a wrong unit. The rule passes for other energies,
    such as energies of formation or with pseudopotentials.

    Raises:
        DataError: The energies are in another unit.
    """
    values = molecules.targets[name]
    if not (values < 0).all() or not np.isin(molecules.z, list(ALL_ELECTRONS)).all():
        return
    ratios = values / free_atoms(ALL_ELECTRONS, molecules.z, molecules.offsets)
    for unit, in_unit in HARTREE_IN.items():
        of_atoms = ratios / in_unit
        if ((of_atoms > 0.98) & (of_atoms < 1.05)).all() and abs(in_unit / hartree - 1) > 1e-3:
            raise DataError(
                f"{molecules.name}: {name} must be in the unit data.unit, but looks like an energy "
                f"of all electrons in {unit}: {of_atoms.mean():.3g} times the free atoms"
            )


def _cause(text: str) -> str:
    return f"; likely: {text}" if text else ". Is a unit or a sign wrong?"


@cache
def _covalent_radii() -> FloatArray:
    radii: FloatArray = np.asarray(ase.data.covalent_radii)
    return radii


def _nearest(molecules: Molecules) -> tuple[Array, FloatArray]:
    """Atomic numbers, and distances to the nearest neighbour over the sum of covalent radii."""
    radii = _covalent_radii()
    numbers, ratios = [np.empty(0, np.uint8)], [np.empty(0)]
    for z, pos, _ in sample_frames(molecules):
        if len(z) < 2:
            continue
        apart = np.linalg.norm(pos[:, None] - pos[None], axis=2) / (radii[z][:, None] + radii[z])
        np.fill_diagonal(apart, np.inf)
        nearest = apart.argmin(axis=1)
        usual = _COVALENT[z] & _COVALENT[z[nearest]]
        numbers.append(z[usual])
        ratios.append(apart.min(axis=1)[usual])
    return np.concatenate(numbers), np.concatenate(ratios)

"""Checks of units and signs in frames of molecular dynamics.

Three complementary rules need no knowledge of the molecule: the energy is near that of its free
atoms, carbon–hydrogen bonds have their usual length and stiffness, and energies of neighbouring
frames differ by the work of the forces.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from lkm_tune.datasets.causes import energy_beside_forces, likely
from lkm_tune.datasets.molecules import Array, DataError, FloatArray, IntArray, Molecules
from lkm_tune.datasets.pairs import Pairs, centred, near_pairs
from lkm_tune.datasets.repeated_positions import find_repeats

Energies = Mapping[int, float]

ALL_ELECTRONS: Energies = {
    1: -0.500273, 6: -37.846772, 7: -54.583861, 8: -75.064579, 9: -99.718730
}  # fmt: skip
"""Free atoms, Hartree, at B3LYP/6-31G(2df,p) as published with QM9; other functionals and bases
differ by less than 1 %."""

VALENCE_ELECTRONS: Energies = {
    1: -0.393482763936, 6: -1.793296371365, 7: -2.605824161279, 8: -3.767606950376
}  # fmt: skip
"""Free atoms, Hartree, in GFN2-xTB, which knows no core electrons (Bannwarth, Ehlert and Grimme,
J. Chem. Theory Comput. 15, 1652 (2019))."""

CH_LENGTH = (1.06, 1.14)
"""Mean length of C–H bonds, Å: 1.096 to 1.119 in rMD17 at 500 K, 1.090 in Chignolin."""

CH_STIFFNESS = (0.8, 1.55)
"""Stiffness of C–H bonds in Hartree/Å²:
0.97 to 1.27 in rMD17 and MD17, 1.13 in Chignolin. Forces in Hartree/bohr would show 0.5 to 0.7."""

WORK_SLOPE = (0.8, 1.2)
"""Range of E(a) − E(b) over the work of the forces from a to b; 0.997 to 1.003 in rMD17, MD17."""

WORK_SLOPE_FAR = (0.25, 2.0)
"""The same range for distant frames, where the second order is not accurate."""

WORK_SIZE_FAR = (1 / 15, 4.0)
"""Range of the ratio of both root mean squares, if they are not correlated: 0.15 to 1.3 among 10 to
100 frames drawn from rMD17."""

_NEAR = 0.15
"""Largest root mean square distance of atoms between neighbouring frames, Å."""

_FAR = 0.5
_AGREEMENT = 0.9
_UNRELATED = 0.5
_FEWEST_NEAR = 5
_FEWEST_FAR = 8
_WRONG = ". Is the unit or the sign of the forces wrong?"
_FRAMES = 200


def check_energy(molecules: Molecules, name: str, hartree: float, *references: Energies) -> None:
    """Checks that an energy is 1 to 2 % above that of the free atoms, as in every molecule.

    Args:
        molecules: The frames.
        name: Name of the energy among the targets.
        hartree: One Hartree in the unit of the energy.
        references: Sets of energies of free atoms, Hartree; one set must fit.

    Raises:
        DataError: No set fits.
    """
    mean = float(molecules.targets[name].mean())
    counts = np.bincount(molecules.z, minlength=119) / len(molecules)
    ratios = []
    for free_atoms in references:
        atoms = sum(counts[z] * energy for z, energy in free_atoms.items())
        # Without core electrons, the energies of bonds are a larger part.
        high = 1.05 if free_atoms is ALL_ELECTRONS else 1.3
        ratios.append(mean / (atoms * hartree))
        if 0.98 <= ratios[-1] <= high:
            return
    raise DataError(
        f"{molecules.name}: {name} must be the total energy, 0.98..1.05 times that of the free "
        f"atoms, but its mean is {mean:g}, {' or '.join(f'{r:.3g}' for r in ratios)} times. "
        "Is the unit wrong, or is an atomic energy already subtracted?"
    )


def check_hydrogens(molecules: Molecules, name: str, hartree: float) -> None:
    """Checks length and stiffness of carbon-hydrogen bonds: units of positions and forces, sign.

    The force on a hydrogen along its bond falls linearly with the bond's length; the slope, over
    200 frames spread over the file, is the stiffness. The check needs 100 such bonds, and the check
    of stiffness needs moving hydrogens.

    Args:
        molecules: The frames, with forces.
        name: Name of the energy of these forces.
        hartree: One Hartree in the unit of the energy.

    Raises:
        DataError: The bonds are too long or short, too stiff or too soft.
    """
    lengths, pulls, heavy = hydrogen_bonds(molecules, molecules.forces[name])
    lengths, pulls = lengths[heavy == 6], pulls[heavy == 6]
    if len(lengths) < 100:
        return
    _check_range(molecules, "the mean length of C–H bonds (Å)", lengths.mean(), CH_LENGTH)
    if lengths.std() > 0.01:
        stiffness = -np.polyfit(lengths, pulls / hartree, 1)[0]
        what = "the stiffness of C–H bonds by the forces (Hartree/Å²)"
        _check_range(molecules, what, stiffness, CH_STIFFNESS)


def _check_range(molecules: Molecules, what: str, value: float, valid: tuple[float, float]) -> None:
    if not valid[0] <= value <= valid[1]:
        raise DataError(
            f"{molecules.name}: {what} must lie in {valid[0]:g}..{valid[1]:g}, but is "
            f"{value:.3g}. Is a unit or a sign wrong?"
        )


def sample_frames(molecules: Molecules) -> Iterator[tuple[Array, FloatArray, slice]]:
    """Atomic numbers, positions and place of the atoms of up to 200 frames, over the whole file."""
    for frame in np.unique(np.linspace(0, len(molecules) - 1, _FRAMES).astype(np.int64)):
        atoms = slice(int(molecules.offsets[frame]), int(molecules.offsets[frame + 1]))
        yield molecules.z[atoms], molecules.positions[atoms].astype(np.float64), atoms


def hydrogen_bonds(molecules: Molecules, forces: Array) -> tuple[FloatArray, FloatArray, Array]:
    """The bond of each hydrogen to its nearest heavy atom, in some frames.

    Returns:
        The distance, the force on the hydrogen away from the heavy atom, and the element of the
        heavy atom, [K] each.
    """
    lengths, pulls, heavies = [np.empty(0)], [np.empty(0)], [np.empty(0, np.uint8)]
    for z, pos, atoms in sample_frames(molecules):
        heavy, light = np.flatnonzero(z > 1), np.flatnonzero(z == 1)
        if len(heavy) == 0 or len(light) == 0:
            continue
        apart = pos[light, None] - pos[None, heavy]
        distances = np.linalg.norm(apart, axis=2)
        nearest = distances.argmin(axis=1)
        each = np.arange(len(light))
        bond, length = apart[each, nearest], distances[each, nearest]
        lengths.append(length)
        pulls.append((forces[atoms][light] * bond).sum(axis=1) / np.maximum(length, 1e-9))
        heavies.append(z[heavy[nearest]])
    return np.concatenate(lengths), np.concatenate(pulls), np.concatenate(heavies)


def check_work(molecules: Molecules, name: str, moving: bool = False) -> None:
    """Checks energies against forces: E(b) − E(a) = −½ (F_a + F_b) · (R_b − R_a) to second order.

    The slope is computed from the 200 nearest pairs of frames with the same atoms in the same
    order, after rotation onto each other. If no pairs are near enough for the second order, more
    distant pairs must not contradict the rule.

    Args:
        molecules: The frames, with forces.
        name: Name of the energy.
        moving: Whether the atoms are known to vibrate: energies of relaxed molecules differ without
            work of forces.

    Raises:
        DataError: Forces are not the negative slope of the energy, in units of the energy per Å.
    """
    pairs = near_pairs(molecules)
    near = np.flatnonzero(pairs.distances < _NEAR)
    valid, chosen = WORK_SLOPE, near
    if len(near) < _FEWEST_NEAR:
        valid, chosen = WORK_SLOPE_FAR, np.flatnonzero(pairs.distances < _FAR)
        if len(chosen) < _FEWEST_FAR:
            return
    work, change = _work(molecules, name, pairs, chosen)
    squares, product = float(work @ work), float(work @ change)
    if squares == 0 or not change.any():
        return
    slope, size = product / squares, float(np.sqrt(change @ change / squares))
    error = float(np.sqrt(((change - slope * work) ** 2).sum() / (len(work) - 1) / squares))
    holds = valid[0] - 3 * error <= slope <= valid[1] + 3 * error
    if valid is WORK_SLOPE_FAR and abs(slope) < _AGREEMENT * size:
        slope, valid = size, WORK_SIZE_FAR
        holds = not moving or valid[0] <= size <= valid[1]
    if not holds:
        sign = "forces have the other sign, as gradients do"
        causes = likely(slope, energy_beside_forces(), sign)
        if abs(product) < _UNRELATED * size * squares:
            causes = "energies and forces belong to different frames"
        raise DataError(
            f"{molecules.name}: between neighbouring frames {name} must change by the work of the "
            f"forces, {valid[0]:g}..{valid[1]:g} times, but changes by {slope:.3g} times over "
            f"{len(work)} pairs" + (f"; likely: {causes}" if causes else _WRONG)
        )


def _work(
    molecules: Molecules, name: str, pairs: Pairs, chosen: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Work of the forces from a to b, and E(a) − E(b), of the chosen pairs."""
    pos, forces, offsets = molecules.positions, molecules.forces[name], molecules.offsets
    energies = molecules.targets[name]
    works, changes = [], []
    for a, b, turn in zip(
        pairs.first[chosen], pairs.second[chosen], pairs.turns[chosen], strict=True
    ):
        here, there = (slice(int(offsets[i]), int(offsets[i + 1])) for i in (a, b))
        step = centred(pos[there]) @ turn - centred(pos[here])
        mean = 0.5 * (forces[here].astype(np.float64) + forces[there].astype(np.float64) @ turn)
        works.append((mean * step).sum())
        changes.append(energies[a] - energies[b])
    return np.array(works), np.array(changes)


def check_frames_differ(molecules: Molecules, pos: Array | None = None) -> None:
    """Checks that no two frames are equal after translation and rotation.

    Args:
        molecules: The frames.
        pos: [N, 3] positions of the file with all their digits; by default the positions of
            `molecules`.

    Raises:
        DataError: Two frames are equal; the message names them.
    """
    places = molecules.positions if pos is None else pos
    for later, earlier in find_repeats(molecules.z, places, molecules.n_atoms):
        raise DataError(
            f"{molecules.name}: all frames must differ, but the frames with the ids "
            f"{molecules.ids[earlier]} and {molecules.ids[later]} have the same positions, after "
            "translation and rotation"
        )

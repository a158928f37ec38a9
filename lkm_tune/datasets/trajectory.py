"""What frames of molecular dynamics must look like when units and signs are as they are said.

Three rules that need no knowledge of the molecule, each blind to what the others see: the energy
lies near that of its free atoms, carbon-hydrogen bonds have the length and the stiffness that they
have everywhere, and energies differ between neighbouring frames by the work of the forces.
"""

from collections.abc import Mapping

import numpy as np

from lkm_tune.datasets.molecules import Array, DataError, FloatArray, IntArray, Molecules

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
"""Hartree/Å² by which the force that pulls a hydrogen back grows with its distance from carbon:
0.97 to 1.27 in rMD17 and MD17, 1.13 in Chignolin. Forces in Hartree/bohr would show 0.5 to 0.7."""

WORK_SLOPE = (0.8, 1.2)
"""E(a) − E(b) over the work of the forces from a to b: 0.997 to 1.003 in rMD17 and MD17."""

_NEAR = 0.15
"""Frames are neighbours whose atoms have moved by less than this, root mean square, Å."""

_PAIRS = 200
_FRAMES = 200


def check_energy(molecules: Molecules, name: str, hartree: float, *references: Energies) -> None:
    """Checks that an energy is that of the free atoms and 1 to 2 % more, as in every molecule.

    Args:
        molecules: The frames.
        name: Of the energy among the targets.
        hartree: One Hartree in its unit.
        references: Energies of free atoms, Hartree, one of which must fit.

    Raises:
        DataError: None fits.
    """
    mean = float(molecules.targets[name].mean())
    counts = np.bincount(molecules.z, minlength=119) / len(molecules)
    ratios = []
    for free_atoms in references:
        atoms = sum(counts[z] * energy for z, energy in free_atoms.items())
        # The bonds weigh more where the core electrons are not counted.
        high = 1.05 if free_atoms is ALL_ELECTRONS else 1.3
        ratios.append(mean / (atoms * hartree))
        if 0.98 <= ratios[-1] <= high:
            return
    raise DataError(
        f"{molecules.name}: {name} must be the total energy, 0.98..1.05 times that of the free "
        f"atoms, but its mean is {mean:g}, {' or '.join(f'{r:.3g}' for r in ratios)} times. "
        "Is the unit wrong, or is an atomic energy already taken off?"
    )


def check_hydrogens(molecules: Molecules, name: str, hartree: float) -> None:
    """Checks length and stiffness of carbon-hydrogen bonds: units of positions and forces, sign.

    The force on a hydrogen along its bond falls linearly with the bond's length; the slope, over
    200 frames spread over the file, is the stiffness. Nothing is checked where fewer than 100
    such bonds are found, and no stiffness where hydrogens do not move.

    Args:
        molecules: The frames, with forces.
        name: Of the energy whose forces are meant.
        hartree: One Hartree in its unit.

    Raises:
        DataError: The bonds are too long or short, too stiff or too soft.
    """
    lengths, pulls = _carbon_hydrogen(molecules, molecules.forces[name])
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


def _carbon_hydrogen(molecules: Molecules, forces: Array) -> tuple[FloatArray, FloatArray]:
    """Lengths of C–H bonds and the force on each H away from its C, both [K]."""
    lengths: list[FloatArray] = []
    pulls: list[FloatArray] = []
    for frame in np.unique(np.linspace(0, len(molecules) - 1, _FRAMES).astype(np.int64)):
        atoms = slice(molecules.offsets[frame], molecules.offsets[frame + 1])
        z, pos = molecules.z[atoms], _positions(molecules)[atoms].astype(np.float64)
        heavy, light = np.flatnonzero(z > 1), np.flatnonzero(z == 1)
        if len(heavy) == 0 or len(light) == 0:
            continue
        apart = pos[light, None] - pos[None, heavy]
        distances = np.linalg.norm(apart, axis=2)
        nearest = distances.argmin(axis=1)
        chosen = np.flatnonzero(z[heavy[nearest]] == 6)
        bond, length = apart[chosen, nearest[chosen]], distances[chosen, nearest[chosen]]
        lengths.append(length)
        pulls.append((forces[atoms][light[chosen]] * bond).sum(axis=1) / length)
    if not lengths:
        return np.empty(0), np.empty(0)
    return np.concatenate(lengths), np.concatenate(pulls)


def check_work(molecules: Molecules, name: str) -> None:
    """Checks energies against forces: E(b) − E(a) = −½ (F_a + F_b) · (R_b − R_a) to second order.

    The slope of one on the other is that of the 200 nearest pairs of frames, among frames that
    follow each other and nearest neighbours. Nothing is checked where fewer than five pairs are
    near enough for this to hold.

    Args:
        molecules: Frames of one molecule, with forces.
        name: Of the energy.

    Raises:
        DataError: Forces are not the negative slope of the energy in its unit per Å.
    """
    frames = _positions(molecules).reshape(len(molecules), -1)
    first, second = _near_pairs(frames, molecules.ids, _NEAR * np.sqrt(frames.shape[1] / 3))
    if len(first) < 5:
        return
    forces = molecules.forces[name].reshape(frames.shape)
    step = frames[second].astype(np.float64) - frames[first]
    work = 0.5 * ((forces[first].astype(np.float64) + forces[second]) * step).sum(axis=1)
    energies = molecules.targets[name]
    slope = float(work @ (energies[first] - energies[second]) / (work @ work))
    low, high = WORK_SLOPE
    if not low <= slope <= high:
        raise DataError(
            f"{molecules.name}: between neighbouring frames {name} must change by the work of the "
            f"forces, {low:g}..{high:g} times, but changes by {slope:.3g} times over "
            f"{len(first)} pairs. Is the unit or the sign of the forces wrong?"
        )


def _near_pairs(frames: Array, times: IntArray, near: float) -> tuple[IntArray, IntArray]:
    """Positions of both frames of each pair, the `_PAIRS` nearest that lie within `near`."""
    order = np.argsort(times)[:20_000]
    some = np.unique(np.linspace(0, len(frames) - 1, 1000).astype(np.int64))
    sample = frames[some].astype(np.float64)
    sample -= sample.mean(axis=0)
    squares = (sample**2).sum(axis=1)
    apart = squares[:, None] + squares - 2 * sample @ sample.T
    np.fill_diagonal(apart, np.inf)
    first = np.concatenate([order[:-1], some])
    second = np.concatenate([order[1:], some[apart.argmin(axis=1)]])
    distances = np.linalg.norm(frames[first].astype(np.float64) - frames[second], axis=1)
    nearest = np.argsort(distances, kind="stable")[:_PAIRS]
    nearest = nearest[(distances[nearest] < near) & (distances[nearest] > 0)]
    return first[nearest], second[nearest]


def check_frames_differ(molecules: Molecules) -> None:
    """Checks that no two frames are the same atoms at the same positions.

    Raises:
        DataError: Two are; the message names them.
    """
    z, pos, offsets = molecules.z, _positions(molecules), molecules.offsets
    seen: dict[int, int] = {}
    for frame in range(len(molecules)):
        atoms = slice(offsets[frame], offsets[frame + 1])
        other = seen.setdefault(hash((z[atoms].tobytes(), pos[atoms].tobytes())), frame)
        if other != frame:
            raise DataError(
                f"{molecules.name}: every frame must be another, but those with the ids "
                f"{molecules.ids[other]} and {molecules.ids[frame]} have the same positions"
            )


def _positions(molecules: Molecules) -> Array:
    """The positions of molecules that must have some.

    Raises:
        DataError: They have none.
    """
    if molecules.pos is None:
        raise DataError(f"{molecules.name}: there must be positions, but are none")
    return molecules.pos

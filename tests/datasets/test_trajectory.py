"""Each rule alone; the tests of the readers show that all rules accept the real files."""

from dataclasses import replace

import numpy as np
import pytest

from lkm_tune.datasets import DataError, Molecules
from lkm_tune.datasets.trajectory import (
    ALL_ELECTRONS,
    VALENCE_ELECTRONS,
    check_energy,
    check_frames_differ,
    check_hydrogens,
    check_work,
)


@pytest.fixture
def methane(vibrating: dict[str, np.ndarray]) -> Molecules:
    return Molecules(
        name="methane",
        ids=np.arange(300),
        n_atoms=np.full(300, 5),
        z=np.tile(vibrating["z"], 300).astype(np.uint8),
        pos=vibrating["pos"].reshape(-1, 3).astype(np.float32),
        targets={"energy": vibrating["energy"]},
        forces={"energy": vibrating["forces"].reshape(-1, 3).astype(np.float32)},
    )


def with_forces(molecules: Molecules, factor: float) -> Molecules:
    return replace(molecules, forces={"energy": np.float32(factor) * molecules.forces["energy"]})


def with_positions(molecules: Molecules, pos: np.ndarray) -> Molecules:
    return replace(molecules, pos=pos.astype(np.float32))


WRONG = (-1.0, 0.529177, 1 / 0.529177, 4.184, 0.0367493, 627.5)


@pytest.mark.parametrize("factor", WRONG)
def test_forces_in_another_unit_break_the_work_rule(methane: Molecules, factor: float):
    check_work(methane, "energy")
    with pytest.raises(DataError, match="change by the work of the forces, 0.8..1.2 times"):
        check_work(with_forces(methane, factor), "energy")


@pytest.mark.parametrize("factor", WRONG)
def test_forces_in_another_unit_break_the_stiffness_rule(methane: Molecules, factor: float):
    check_hydrogens(methane, "energy", 1.0)
    with pytest.raises(DataError, match="the stiffness of C–H bonds"):
        check_hydrogens(with_forces(methane, factor), "energy", 1.0)


def test_energy_and_forces_in_one_wrong_unit_are_noticed_by_the_stiffness(methane: Molecules):
    targets = {"energy": 27.2114 * methane.targets["energy"]}
    in_ev = replace(with_forces(methane, 27.2114), targets=targets)
    check_work(in_ev, "energy")
    check_hydrogens(in_ev, "energy", 27.2114)
    with pytest.raises(DataError, match="the stiffness of C–H bonds"):
        check_hydrogens(in_ev, "energy", 1.0)
    with pytest.raises(DataError, match="energy must be the total energy"):
        check_energy(in_ev, "energy", 1.0, ALL_ELECTRONS, VALENCE_ELECTRONS)


@pytest.mark.parametrize("factor", [0.1, 1 / 0.529177])
def test_positions_in_another_unit_break_the_length_rule(methane: Molecules, factor: float):
    with pytest.raises(DataError, match="the mean length of C–H bonds"):
        check_hydrogens(with_positions(methane, factor * methane.pos), "energy", 1.0)


def test_frames_that_lie_far_apart_tell_nothing_about_work(methane: Molecules):
    far = methane.pos.reshape(300, 5, 3) * np.arange(1, 301)[:, None, None]
    moved = with_positions(methane, far.reshape(-1, 3))
    check_work(with_forces(moved, -1), "energy")


def test_shuffled_frames_are_brought_into_order_by_their_ids(methane: Molecules):
    order = np.random.default_rng(1).permutation(300)
    atoms = (5 * order[:, None] + np.arange(5)).ravel()
    shuffled = replace(
        methane,
        ids=order,
        pos=methane.pos[atoms],
        targets={"energy": methane.targets["energy"][order]},
        forces={"energy": methane.forces["energy"][atoms]},
    )
    check_work(shuffled, "energy")
    with pytest.raises(DataError, match="changes by -1"):
        check_work(with_forces(shuffled, -1), "energy")


def test_energies_of_all_or_of_valence_electrons_are_told_apart(methane: Molecules):
    check_energy(methane, "energy", 1.0, ALL_ELECTRONS)
    with pytest.raises(DataError, match="or is an atomic energy already subtracted"):
        check_energy(methane, "energy", 1.0, VALENCE_ELECTRONS)


def test_frames_of_different_size_may_be_compared(methane: Molecules):
    check_frames_differ(methane)
    n_atoms = np.array([1, 9] + 298 * [5])
    check_frames_differ(replace(methane, n_atoms=n_atoms))
    pos = methane.pos.copy()
    pos[10:15] = pos[5:10]
    with pytest.raises(DataError, match="ids 1 and 2 have the same positions"):
        check_frames_differ(with_positions(methane, pos))

import json

import numpy as np
import pytest
import torch

from lkm_tune.datasets import Normaliser, Target

VALUES = np.array([[1.0, 5.0], [2.0, 5.5], [3.0, 4.0], [6.0, 5.0]])
TARGETS = [Target("a", "", "eV", "meV", 1000.0), Target("b", "", "D", "D")]


@pytest.fixture
def normaliser() -> Normaliser:
    return Normaliser.fit(VALUES, TARGETS, [((1, -0.5), (6, -37.0)), ()])


def test_the_training_part_gets_mean_zero_and_spread_one(normaliser: Normaliser):
    scaled = normaliser.to_model(VALUES)
    assert scaled.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert scaled.std(axis=0) == pytest.approx(1)


def test_to_unit_undoes_to_model(normaliser: Normaliser):
    back = normaliser.to_unit(normaliser.to_model(VALUES))
    assert back == pytest.approx(VALUES * [1000, 1])


def test_errors_are_in_the_targets_units(normaliser: Normaliser):
    target = torch.from_numpy(normaliser.to_model(VALUES))
    moved = VALUES + [[0.5, 0], [0, 0], [0, -2], [-0.1, 0]]
    errors = normaliser.errors(torch.from_numpy(normaliser.to_model(moved)), target)
    assert errors.numpy() == pytest.approx(np.array([[500, 0], [0, 0], [0, 2], [100, 0]]))


def test_shapes_that_would_broadcast_are_refused(normaliser: Normaliser):
    with pytest.raises(ValueError, match=r"\(4, 1\) and \(4,\)"):
        normaliser.errors(torch.zeros(4, 1), torch.zeros(4))


def test_free_atoms_are_summed_and_unknown_ones_refused(normaliser: Normaliser):
    energy, dipole = normaliser.scales
    assert energy.atoms(np.array([6, 1, 1, 1, 1])) == -39.0
    assert dipole.atoms(np.array([92])) == 0.0
    with pytest.raises(ValueError, match=r"free atoms \[1, 6\], but got atomic numbers \[8\]"):
        energy.atoms(np.array([8, 1, 1]))


def test_json_gives_the_same_back(normaliser: Normaliser):
    assert Normaliser.from_dict(json.loads(json.dumps(normaliser.to_dict()))) == normaliser


@pytest.mark.parametrize("values", [[2.0, 2.0, 2.0], [5.0], [-76.4 * 3, -76.4 * 3]])
def test_values_that_do_not_differ_are_refused(values: list[float]):
    with pytest.raises(ValueError, match=f"must differ, but all {len(values)} are"):
        Normaliser.fit(np.array(values)[:, None], TARGETS[1:])

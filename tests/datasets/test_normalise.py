import numpy as np
import pytest
import torch

from lkm_tune.datasets import Normaliser

VALUES = np.array([1.0, 2.0, 3.0, 6.0])


def test_the_training_part_gets_mean_zero_and_spread_one():
    scaled = Normaliser.fit(VALUES, 1.0, "D").to_model(VALUES)
    assert scaled.mean() == pytest.approx(0, abs=1e-12)
    assert scaled.std() == pytest.approx(1)


def test_to_unit_undoes_to_model_for_arrays_and_tensors():
    normaliser = Normaliser.fit(VALUES, 1000.0, "meV")
    assert normaliser.to_unit(normaliser.to_model(VALUES)) == pytest.approx(VALUES * 1000)
    tensor = torch.from_numpy(VALUES)
    back = normaliser.to_unit(normaliser.to_model(tensor))
    assert torch.allclose(back, tensor * 1000)


def test_errors_are_in_the_task_s_unit():
    normaliser = Normaliser.fit(VALUES, 1000.0, "meV")
    target = normaliser.to_model(torch.from_numpy(VALUES))[:, None]
    prediction = normaliser.to_model(torch.from_numpy(VALUES + [0.5, 0, 0, -0.1]))[:, None]
    assert normaliser.errors(prediction, target)[:, 0].tolist() == pytest.approx([500, 0, 0, 100])
    assert normaliser.error(prediction, target) == pytest.approx(150)


def test_shapes_that_would_broadcast_are_refused():
    normaliser = Normaliser.fit(VALUES, 1.0, "D")
    with pytest.raises(ValueError, match=r"\(4, 1\) and \(4,\)"):
        normaliser.error(torch.zeros(4, 1), torch.zeros(4))


@pytest.mark.parametrize("values", [[2.0, 2.0, 2.0], [5.0], [-76.4 * 3, -76.4 * 3]])
def test_values_that_do_not_differ_are_refused(values: list[float]):
    with pytest.raises(ValueError, match=f"must differ, but all {len(values)} are"):
        Normaliser.fit(np.array(values), 1.0, "D")

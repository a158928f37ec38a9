"""Weights on disk: valid and refused forms."""

import pickle

import pytest
import torch

from lkm_tune.training import read_weights

STATE = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}


class Anything:
    """An object that only running code could restore."""


@pytest.mark.parametrize(
    "held",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model_state_dict": STATE, "optimizer": {"lr": 0.1}},
        {"model": STATE, "epoch": 3},
        {f"module.{name}": tensor for name, tensor in STATE.items()},
    ],
)
def test_forms_of_a_checkpoint(held, tmp_path):
    torch.save(held, tmp_path / "checkpoint.pt")
    weights = read_weights(tmp_path / "checkpoint.pt")
    assert weights.config is None
    assert list(weights.tensors) == list(STATE)
    assert all(torch.equal(weights.tensors[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"epoch": 3, "net": STATE}, r"at the top or under .*, but holds the keys \['epoch', 'net"),
        ({"state_dict": {}}, r"but holds the keys \['state_dict'\]"),
        ([1, 2], "but holds list"),
        (Anything(), "must hold only tensors by name.*Weights only load failed$"),
    ],
)
def test_what_is_no_checkpoint(held, message, tmp_path):
    torch.save(held, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match=message):
        read_weights(tmp_path / "checkpoint.pt")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"something else")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(3))
    (tmp_path / "c.safetensors").write_bytes(b"something else")
    for name, message in (
        ("a.pt", "must hold only tensors by name"),
        ("b.pt", "must hold only tensors by name"),
        ("c.safetensors", r"must be a model\.safetensors of lkm-tune"),
    ):
        with pytest.raises(ValueError, match=message):
            read_weights(tmp_path / name)

import copy
import pickle
import re

import numpy as np
import pytest
import torch

from lkm_tune.models import MODELS, ModelOutput, build_model, model_settings
from lkm_tune.models.dimenetpp import GlorotOrthogonal, _orthogonal

D = 128
# The other layers: the embedding of five elements, and the head.
AROUND = 5 * D + D * D + D + D + 1
PARAMETERS = {
    "dimenet++": 1_885_830,
    "mxmnet": 3_773_862,
    "pamnet": 3_581_100 - 2_304,
    "gcn": AROUND + 5 * (D * D + D),
    "gat": AROUND + 5 * (D * D + 3 * D),  # W; b and the two halves of a
    "gin": AROUND + 5 * 2 * (D * D + D),
}
# Atom states of a network of some depth.
STATES = {
    "dimenet++": lambda depth: depth + 1,
    "mxmnet": lambda depth: 2 * depth,
    "pamnet": lambda depth: 2 * depth,
    "gcn": lambda depth: depth,
    "gat": lambda depth: depth,
    "gin": lambda depth: depth,
}
COMMON = {"hidden", "depth", "outputs", "layers", "cutoff"}


def test_without_settings_a_model_has_its_published_or_documented_size(name):
    model = build_model(name)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    assert model.cutoff == 5.0
    assert set(model_settings(name)) >= COMMON


def test_defaults_are_settings(name):
    torch.manual_seed(0)
    plain = build_model(name)
    torch.manual_seed(0)
    spelled = build_model(name, **model_settings(name))
    assert all(
        torch.equal(a, b) for a, b in zip(plain.parameters(), spelled.parameters(), strict=True)
    )


@pytest.mark.parametrize("depth", range(1, 9))
def test_every_depth_runs(name, depth, make_model, make_batch, molecules):
    if STATES[name](depth) < 2:
        with pytest.raises(ValueError, match="gives 1 atom state.*nothing to mix"):
            make_model(name, hidden=8, depth=depth)
        return
    model = make_model(name, hidden=8, depth=depth, outputs=3)
    batch = make_batch([molecules["water"], molecules["methane"]])
    output = model(batch)

    assert isinstance(output, ModelOutput)
    assert output.prediction.shape == (2, 3)
    assert len(output.layers) == STATES[name](depth)
    assert all(layer.shape == (8, 8) for layer in output.layers)


@pytest.mark.parametrize(
    ("name", "layers", "count", "width"),
    [("dimenet++", "hidden", 3, 24), ("mxmnet", "local", 2, 16), ("pamnet", "local", 2, 16)],
)
def test_other_atom_states(name, layers, count, width, make_model, make_batch, molecules):
    settings = {"layers": layers} | ({"out_emb_channels": 24} if name == "dimenet++" else {})
    usual = make_model(name, **settings | {"layers": "sum" if name == "dimenet++" else "both"})
    model = make_model(name, **settings)
    batch = make_batch([molecules["water"]])
    output, other = model(batch), usual(batch)

    assert torch.equal(output.prediction, other.prediction)
    assert [layer.shape for layer in output.layers] == [(3, width)] * count
    if layers == "local":
        assert all(map(torch.equal, output.layers, other.layers[1::2]))


@pytest.mark.parametrize("name", ["mxmnet", "pamnet"])
def test_one_atom_state_leaves_nothing_to_mix(name):
    with pytest.raises(ValueError, match="gives 1 atom state.*nothing to mix"):
        build_model(name, depth=1, layers="local")


def test_an_unknown_model_is_answered_with_the_known_ones():
    listed = re.escape(", ".join(sorted(MODELS)))
    with pytest.raises(ValueError, match=f"unknown model 'schnet'.*{listed}.*package.mod"):
        build_model("schnet")


def test_an_unknown_setting_is_answered_with_the_known_ones(name):
    with pytest.raises(ValueError, match="no setting width; its settings are hidden, depth"):
        build_model(name, width=3)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("depth", 0, "`depth` must be a whole number >= 1, but got depth=0"),
        ("hidden", 12.5, "`hidden` must be a whole number >= 1, but got hidden=12.5"),
        ("outputs", True, "`outputs` must be a whole number"),
        ("cutoff", -1, "`cutoff` must be a length > 0"),
        ("cutoff", float("inf"), "`cutoff` must be a length > 0"),
        ("cutoff", "5", "`cutoff` must be a length > 0"),
        ("layers", "none", "`layers` must be one of .*, but got 'none'"),
    ],
)
def test_values_out_of_range_are_named(name, setting, value, message):
    with pytest.raises(ValueError, match=message):
        build_model(name, **{setting: value})


@pytest.mark.parametrize("elements", [(), (1, 1), (0, 1), (1, 6.5), (1, 119)])
def test_elements_must_be_distinct_atomic_numbers(elements):
    with pytest.raises(ValueError, match="distinct atomic numbers"):
        build_model("pamnet", elements=elements)


def test_numbers_of_numpy_are_numbers(name):
    assert build_model(name, hidden=np.int64(8), depth=np.int64(2)).cutoff == 5.0


@pytest.mark.parametrize("name", ["mxmnet", "pamnet", "gcn", "gat", "gin"])
def test_elements_can_be_chosen(name, make_model, make_batch, molecules):
    _, pos = molecules["water"]
    sulfide = ([16, 1, 1], pos * 1.4)
    model = make_model(name, elements=[1, 6, 16])

    assert torch.isfinite(model(make_batch([sulfide])).prediction).all()
    with pytest.raises(ValueError, match=r"\(1, 6, 16\), but got Z in \[8\]"):
        model(make_batch([molecules["water"]]))
    with pytest.raises(ValueError, match=r"\(1, 6, 7, 8, 9\), but got Z in \[16\]"):
        make_model(name)(make_batch([sulfide]))


def test_dimenetpp_knows_95_rows(make_model, make_batch, molecules):
    z, pos = molecules["water"]
    with pytest.raises(ValueError, match="1 .. 94, but got Z = 96"):
        make_model("dimenet++")(make_batch([([96, 1, 1], pos * 2)]))


def test_models_can_be_copied_and_sent(name, make_model, make_batch, molecules):
    model, batch = make_model(name), make_batch([molecules["water"]])
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin(batch).prediction, model(batch).prediction)


def test_models_are_listed_by_name():
    assert list(MODELS) == list(PARAMETERS) == list(STATES)


def test_orthogonal_matrices_are_orthogonal_and_uniform():
    """Every entry of a uniform orthogonal matrix has E q² = 1/n and E q⁴ = 3 / (n (n + 2))."""
    torch.manual_seed(0)
    drawn = torch.stack([_orthogonal(5, 3) for _ in range(5000)])
    assert (drawn.mT @ drawn - torch.eye(3)).abs().max() < 1e-5
    assert (5 * drawn.square().mean(0) - 1).abs().max() < 0.1
    assert (35 / 3 * drawn.pow(4).mean(0) - 1).abs().max() < 0.2
    assert drawn.mean(0).abs().max() < 0.03
    wide = GlorotOrthogonal(40, 10)
    assert wide.weight.var().item() == pytest.approx(2 / 50) and not wide.bias.any()
    gram = (wide.weight @ wide.weight.T).detach()
    assert gram.fill_diagonal_(0).abs().max() < 1e-5

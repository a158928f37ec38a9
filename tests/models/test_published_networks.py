"""The published networks: numbers from their code, and invalid parameters."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from lkm_tune.graphs import batch_from_arrays
from lkm_tune.models import from_published, model_settings, published_settings

DATA = os.environ.get("LKM_TUNE_DATA")
FILES = sorted((Path(DATA).parent / "golden").glob("*.npz")) if DATA else []
NO_FILES = pytest.param(
    None, marks=pytest.mark.skip(reason="LKM_TUNE_DATA is unset or has no ../golden/*.npz")
)
OUR_NAME = {"mxmnet": "mxmnet", "pamnet": "pamnet", "dimenetpp": "dimenet++"}


def load(path, **settings):
    """The network of a file, its batch, and the file."""
    with np.load(path) as file:
        data = {key: file[key] for key in file.files}
    config = json.loads(str(data["config"]))
    state = {k.removeprefix("param:"): v for k, v in data.items() if k.startswith("param:")}
    model = from_published(OUR_NAME[config["model"]], config, state, **settings)
    batch = batch_from_arrays(data["z"], data["pos"], data["batch"], cutoff=model.cutoff)
    return model, batch, data


def states(data, *kinds):
    """The stored atom states of these kinds, in the order of the layers."""
    depth = sum(key.startswith(f"{kinds[0]}:") for key in data)
    return [data[f"{kind}:{layer}"] for layer in range(depth) for kind in kinds]


def near(actual, expected, rtol):
    expected = torch.as_tensor(expected)
    assert_close(actual, expected, rtol=rtol, atol=rtol * float(expected.abs().max()))


def columns(edge_index):
    return set(map(tuple, np.asarray(edge_index).T.tolist()))


@pytest.mark.parametrize("path", FILES or [NO_FILES], ids=lambda path: getattr(path, "stem", None))
def test_published_numbers(path):
    model, batch, data = load(path)
    batch.pos.requires_grad_(True)
    output = model(batch)
    output.prediction.sum().backward()

    assert columns(batch.edge_index) == columns(data["graph:edge_index_g"])
    assert columns(batch.bond_index) == columns(data["bond_edge_index"])
    near(output.prediction.view(-1), data["pred"].reshape(-1), 1e-9)
    kinds = ["scatter"] if "scatter:0" in data else ["global", "local"]
    for layer, expected in zip(output.layers, states(data, *kinds), strict=True):
        near(layer, expected, 1e-9)
    near(batch.pos.grad, data["grad:pos"], 1e-6)
    for key, parameter in model.named_parameters():
        near(parameter.grad.norm(), data[f"gradnorm:{key}"], 1e-6)


@pytest.mark.parametrize("path", FILES or [NO_FILES], ids=lambda path: getattr(path, "stem", None))
def test_published_numbers_at_the_other_place(path):
    dimenet = "dimenet" in path.stem
    model, batch, data = load(path, layers="hidden" if dimenet else "local")
    expected = states(data, "lins" if dimenet else "local")

    for layer, numbers in zip(model(batch).layers, expected, strict=True):
        near(layer, numbers, 1e-9)


def published(name, make_model):
    """A configuration and a state in the published names, made from a model of lkm-tune."""
    model = make_model(name)
    config = {"mxmnet": {"dim": 16, "n_layer": 2}, "pamnet": {"dim": 16, "n_layer": 2}}.get(
        name,
        {"hidden_channels": 16, "num_blocks": 2, "int_emb_size": 8, "out_emb_channels": 16},
    )
    state = {key: value.numpy() for key, value in model.state_dict().items()}
    if name == "pamnet":
        state["init_linear.weight"] = np.zeros((16, 18))
    return model, {**config, "tag": "x", "act": "swish"}, state


def test_a_state_makes_the_same_model(published_name, make_model, make_batch, molecules):
    model, config, state = published(published_name, make_model)
    batch = make_batch(list(molecules.values()))
    copy = from_published(published_name, config, state)

    assert torch.equal(copy(batch).prediction, model(batch).prediction)


def test_cutoffs_have_their_published_names(make_model):
    _, config, state = published("pamnet", make_model)
    both = {"cutoff_g": 4.0, "cutoff_l": 2.0}, {"cutoff_global": 4.0, "cutoff_local": 2.0}
    for cutoffs in both:
        model = from_published("pamnet", config | cutoffs, state)
        assert (model.cutoff, model.rbf_g.cutoff, model.rbf_l.cutoff) == (4.0, 4.0, 2.0)
        assert model.sbf.cutoff == 2.0


def test_missing_and_unknown_parameters_are_listed(published_name, make_model):
    _, config, state = published(published_name, make_model)
    state["more.weight"] = state.pop("rbf_g.freq" if published_name != "dimenet++" else "rbf.freq")
    with pytest.raises(ValueError, match=r"missing \['rbf.*freq'\], unknown \['more.weight'\]"):
        from_published(published_name, config, state)


def test_another_shape_is_named(published_name, make_model):
    _, config, state = published(published_name, make_model)
    key = "emb.emb.weight" if published_name == "dimenet++" else "embeddings"
    state[key] = state[key][:3]
    with pytest.raises(ValueError, match=rf"{key} \(3, 16\) instead of"):
        from_published(published_name, config, state)


def test_published_size_is_the_default(published_name):
    expected = {"dimenet++": 4, "mxmnet": 6, "pamnet": 6}
    assert model_settings(published_name)["depth"] == expected[published_name]
    assert model_settings(published_name)["hidden"] == 128


SIZES = {
    "mxmnet": {"hidden": 12, "depth": 3, "outputs": 2, "num_rbf": 9, "num_spherical": 5},
    "pamnet": {"hidden": 12, "depth": 3, "outputs": 2, "num_rbf": 9, "num_spherical": 5},
    "dimenet++": {
        "hidden": 12, "depth": 3, "outputs": 2, "int_emb_size": 6, "basis_emb_size": 4,
        "out_emb_channels": 10, "num_spherical": 5, "num_before_skip": 2, "num_after_skip": 3,
        "num_output_layers": 1,
    },
}  # fmt: skip
REST = {
    "mxmnet": {"cutoff": 4.0, "envelope_exponent": 6, "num_spherical": 5},
    "pamnet": {"cutoff_g": 4.0, "cutoff_l": 3.0, "envelope_exponent": 6, "num_radial": 4},
    "dimenet++": {"cutoff": 4.0, "envelope_exponent": 6},
}


def odd(name, make_model, **more):
    """A network with other sizes than published, and its state."""
    model = make_model(name, **SIZES[name], num_radial=4, cutoff=4.0, envelope_exponent=6, **more)
    return model, dict(model.state_dict())


def test_sizes_are_read_from_the_shapes(published_name, make_model, make_batch, molecules):
    local = {"cutoff_local": 3.0} if published_name == "pamnet" else {}
    model, state = odd(published_name, make_model, **local)
    settings = published_settings(published_name, state, REST[published_name] | {"tag": "x"})
    copy = from_published(published_name, settings, state)
    batch = make_batch(list(molecules.values()))

    assert settings.items() >= SIZES[published_name].items()
    assert settings["num_radial"] == 4
    assert torch.equal(copy(batch).prediction, model(batch).prediction)


@pytest.mark.parametrize("path", FILES or [NO_FILES], ids=lambda path: getattr(path, "stem", None))
def test_sizes_of_the_published_files(path):
    """The state and the settings without a shape give the network of the whole configuration."""
    model, batch, data = load(path)
    config = json.loads(str(data["config"]))
    name = OUR_NAME[config["model"]]
    kept = {k: v for k, v in config.items() if "cutoff" in k or k.startswith(("num_s", "env"))}
    state = {k.removeprefix("param:"): v for k, v in data.items() if k.startswith("param:")}
    again = from_published(name, published_settings(name, state, kept), state)
    assert torch.equal(again(batch).prediction, model(batch).prediction)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        (
            "mxmnet",
            r"cutoff \(published: 5.0\), num_spherical .*: 7\), num_radial .*, envelope_exp",
        ),
        (
            "pamnet",
            r"cutoff \(.*cutoff_local \(.*num_spherical \(.*num_radial \(.*envelope_exponent",
        ),
        ("dimenet++", r"cutoff \(published: 5.0\), envelope_exponent \(published: 5\); give them"),
    ],
)
def test_what_the_shapes_do_not_tell_is_asked_for(name, missing, make_model):
    _, state = odd(name, make_model)
    with pytest.raises(ValueError, match=rf"do not determine its {missing}"):
        published_settings(name, state, {"tag": "x"})


def test_other_elements_are_asked_for(make_model):
    _, state = odd("mxmnet", make_model, elements=(1, 6, 16))
    with pytest.raises(ValueError, match="do not determine its elements"):
        published_settings("mxmnet", state, REST["mxmnet"])
    settings = published_settings("mxmnet", state, {**REST["mxmnet"], "elements": [1, 6, 16]})
    assert from_published("mxmnet", settings, state).element_rows.elements == (1, 6, 16)


def test_a_configuration_against_the_shapes_is_refused(make_model):
    _, state = odd("mxmnet", make_model)
    for wrong, message in [
        ({"dim": 64}, "contradicts the shapes of the mxmnet parameters: hidden=64 instead of 12"),
        ({"num_spherical": 3}, "have 20 functions of an angle.*but got num_spherical=3"),
        ({"num_radial": 5}, "num_radial=5 instead of 4"),
    ]:
        with pytest.raises(ValueError, match=message):
            published_settings("mxmnet", state, REST["mxmnet"] | wrong)


def test_a_state_of_another_network_is_refused(make_model):
    _, state = odd("pamnet", make_model)
    with pytest.raises(ValueError, match="not the parameters of mxmnet: sbf_1_mlp.* is missing"):
        published_settings("mxmnet", state, {})
    with pytest.raises(ValueError, match="no published code of 'gcn', only of dimenet"):
        from_published("gcn", {}, state)

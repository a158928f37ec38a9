"""The baselines of the benchmark and the models of lkm-tune compute the published networks."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from plain_dimenet import PlainDimeNetPlusPlus
from plain_multiplex import PlainMXMNet, PlainPAMNet
from torch.testing import assert_close

from lkm_tune.datasets import load_task
from lkm_tune.graphs import batch_from_arrays
from lkm_tune.models import from_published
from lkm_tune.study import DataPlan

DATA = os.environ.get("LKM_TUNE_DATA")
GOLDEN = Path(DATA).parent / "golden" if DATA else Path("none")


def load(stem):
    path = GOLDEN / f"{stem}_a.npz"
    if not path.exists():
        pytest.skip(f"needs {stem}_a.npz in LKM_TUNE_DATA/../golden")
    with np.load(path) as file:
        data = {key: file[key] for key in file.files}
    state = {k.removeprefix("param:"): torch.tensor(v) for k, v in data.items() if "param:" in k}
    batch = batch_from_arrays(data["z"], data["pos"], data["batch"])
    return data, json.loads(str(data["config"])), state, batch


def check(output, data, prefix, kinds, rtol):
    assert_close(output.prediction.view(-1), torch.tensor(data[f"{prefix}pred"]).view(-1),
                 rtol=rtol, atol=0)  # fmt: skip
    depth = sum(key.startswith(f"{prefix}{kinds[0]}:") for key in data)
    expected = [data[f"{prefix}{kind}:{layer}"] for layer in range(depth) for kind in kinds]
    for layer, numbers in zip(output.layers, expected, strict=True):
        assert_close(layer, torch.tensor(numbers), rtol=rtol, atol=rtol * np.abs(numbers).max())


@pytest.mark.parametrize(("stem", "network"), [("mxmnet", PlainMXMNet), ("pamnet", PlainPAMNet)])
def test_formulas_give_the_published_numbers(stem, network):
    data, config, state, batch = load(stem)
    shared = ("envelope_exponent", "num_rbf", "num_spherical", "num_radial")
    model = network(config["dim"], config["n_layer"], config["cutoff_global"],
                    config["cutoff_local"], **{k: config[k] for k in shared}).double()  # fmt: skip
    state.pop("init_linear.weight", None)
    model.load_state_dict(state)
    check(model(batch), data, "", ("global", "local"), 1e-9)


@pytest.mark.slow  # The layers derive their bases symbolically when built.
def test_layers_of_torch_geometric_give_their_own_numbers():
    data, config, state, batch = load("dimenetpp")
    sizes = ("hidden_channels", "num_blocks", "int_emb_size", "basis_emb_size", "out_emb_channels",
             "num_spherical", "num_radial", "envelope_exponent")  # fmt: skip
    model = PlainDimeNetPlusPlus(**{k: config[k] for k in sizes if k in config}).double()
    model.network.load_state_dict(state)
    check(model(batch), data, "stock:", ("scatter",), 1e-7)


def real_batch():
    data = load_task("qm9/U0", DataPlan("sample", 1000, 100, 100), seed=0, cutoff=5.0)
    batch, _ = data.batch(data.split.train[-6:])
    return batch.to(dtype=torch.float64)


def results(model, batch):
    """Predictions, atom states, forces and gradients of a network."""
    batch.pos.grad = None
    batch.pos.requires_grad_(True)
    output = model(batch)
    output.prediction.sum().backward()
    grads = {name: p.grad.norm() for name, p in model.named_parameters() if p.grad is not None}
    return [output.prediction, *output.layers, batch.pos.grad], grads


SIZES = ("dim", "n_layer", "cutoff_global", "cutoff_local", "envelope_exponent", "num_rbf",
         "num_spherical", "num_radial")  # fmt: skip


@pytest.mark.parametrize(("name", "network"), [("mxmnet", PlainMXMNet), ("pamnet", PlainPAMNet)])
@pytest.mark.parametrize(
    "sizes",
    [
        (24, 1, 4.0, 3.0, 6, 16, 6, 5),
        (16, 8, 3.0, 2.0, 4, 12, 3, 4),
        (32, 3, 6.0, 1.45, 5, 16, 1, 1),
        (20, 2, 5.0, 1.1, 5, 16, 2, 1),  # bonds longer than the range of their bases
    ],
)
def test_ours_equal_the_formulas_at_any_size(name, network, sizes):
    torch.manual_seed(0)
    plain = network(*sizes).double()
    for parameter in plain.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    config = dict(zip(SIZES, sizes, strict=True))
    state = dict(plain.state_dict())
    if name == "pamnet":
        state["init_linear.weight"] = torch.zeros(sizes[0], 18)
    batch, cutoff = real_batch(), config["cutoff_global"]
    edges = batch_from_arrays(batch.z, batch.pos, batch.graph_index, cutoff=cutoff)
    expected, expected_grads = results(plain, edges)
    # A batch with the usual cutoff works for networks with any cutoff.
    actual, grads = results(from_published(name, config, state), batch)

    for ours, theirs in zip(actual, expected, strict=True):
        assert_close(ours, theirs, rtol=1e-9, atol=1e-10 * theirs.abs().max().item())
    for parameter, grad in grads.items():
        assert_close(grad, expected_grads[parameter], rtol=1e-6, atol=1e-12)

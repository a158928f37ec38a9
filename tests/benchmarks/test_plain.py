"""The baselines of the benchmark compute what the published networks compute."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from plain_dimenet import PlainDimeNetPlusPlus
from plain_multiplex import PlainMXMNet, PlainPAMNet
from torch.testing import assert_close

from lkm_tune.graphs import batch_from_arrays

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

"""Small molecules (Å) and small models, so that no data is needed."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import nn

from lkm_tune.graphs import MoleculeBatch, batch_from_arrays
from lkm_tune.models import MODELS, PUBLISHED, build_model

Molecule = tuple[list[int], np.ndarray]

SIZES = {
    "dimenet++": {"hidden": 16, "depth": 2, "int_emb_size": 8, "out_emb_channels": 16},
    "mxmnet": {"hidden": 16, "depth": 2},
    "pamnet": {"hidden": 16, "depth": 2},
    "gcn": {"hidden": 16, "depth": 2},
    "gat": {"hidden": 16, "depth": 2},
    "gin": {"hidden": 16, "depth": 2},
}


def _ring(radius: float) -> list[list[float]]:
    turns = [k * math.pi / 3 for k in range(6)]
    return [[radius * math.cos(t), radius * math.sin(t), 0.0] for t in turns]


def _methane() -> list[list[float]]:
    h = 0.6276
    return [[0, 0, 0], [h, h, h], [h, -h, -h], [-h, h, -h], [-h, -h, h]]


MOLECULES: dict[str, Molecule] = {
    name: (z, np.array(pos, dtype=np.float64))
    for name, z, pos in [
        ("methane", [6, 1, 1, 1, 1], _methane()),
        ("water", [8, 1, 1], [[0, 0, 0.117], [0, 0.757, -0.469], [0, -0.757, -0.469]]),
        (
            "formaldehyde",
            [6, 8, 1, 1],
            [[0, 0, -0.527], [0, 0, 0.674], [0, 0.935, -1.113], [0, -0.935, -1.113]],
        ),
        # Linear: all angles are 0 or π.
        ("hydrogen cyanide", [1, 6, 7], [[0, 0, -1.064], [0, 0, 0], [0, 0, 1.156]]),
        ("benzene", [6] * 6 + [1] * 6, _ring(1.397) + _ring(2.481)),
    ]
}


@pytest.fixture
def molecules() -> dict[str, Molecule]:
    return MOLECULES


@pytest.fixture
def make_batch() -> Callable[..., MoleculeBatch]:
    """Batch molecules [(z, pos), ...] in float64."""

    def make(molecules: Sequence[Molecule], cutoff: float = 5.0) -> MoleculeBatch:
        z = np.concatenate([z for z, _ in molecules])
        pos = np.concatenate([pos for _, pos in molecules])
        graph = np.repeat(np.arange(len(molecules)), [len(z) for z, _ in molecules])
        return batch_from_arrays(z, pos, graph, cutoff=cutoff)

    return make


@pytest.fixture(params=list(MODELS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=PUBLISHED)
def published_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[name for name, model in MODELS.items() if model.uses_positions])
def spatial_name(request: pytest.FixtureRequest) -> str:
    """A model whose predictions depend on the positions of atoms."""
    return str(request.param)


@pytest.fixture
def make_model() -> Callable[..., nn.Module]:
    """Build a small float64 model whose parameters are all random (none starts at 0)."""

    def make(name: str, seed: int = 0, **settings: object) -> nn.Module:
        torch.manual_seed(seed)
        model = build_model(name, **(SIZES[name] | settings)).double()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
        return model

    return make

"""Common files and data of the dataset tests."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lkm_tune.datasets import Molecules, MoleculeStore, TaskData, load_task, open_prepared
from lkm_tune.datasets.qm9 import SAMPLE, read_qm9
from lkm_tune.study import DataPlan

CUTOFF = 5.0

# Methane and water of QM9 (gdb indices 1 and 3).
TWO_MOLECULES = {
    "index": np.array([1, 3]),
    "n_atoms": np.array([5, 3]),
    "z": np.array([6, 1, 1, 1, 1, 8, 1, 1]),
    "pos": np.array(
        [
            [-0.0126981, 1.0858042, 0.0080010],
            [0.0021504, -0.0060313, 0.0019761],
            [1.0117308, 1.4637512, 0.0002766],
            [-0.5408151, 1.4475266, -0.8766437],
            [-0.5238136, 1.4379326, 0.9063973],
            [-0.0343605, 0.9775396, 0.0076016],
            [0.0647665, 0.0205722, 0.0015346],
            [0.8717903, 1.3007925, 0.0006931],
        ]
    ),
    "mu": np.array([0.0, 1.8511]),
    "alpha": np.array([13.21, 6.31]),
    "homo": np.array([-0.3877, -0.2928]),
    "lumo": np.array([0.1171, 0.0687]),
    "gap": np.array([0.5048, 0.3615]),
    "r2": np.array([35.3641, 19.0002]),
    "zpve": np.array([0.044749, 0.021375]),
    "U0": np.array([-40.47893, -76.404702]),
    "U": np.array([-40.476062, -76.401867]),
    "H": np.array([-40.475117, -76.400922]),
    "G": np.array([-40.498597, -76.422349]),
    "Cv": np.array([6.469, 6.002]),
}

WriteQm9 = Callable[..., Path]


@pytest.fixture
def write_qm9(tmp_path: Path) -> WriteQm9:
    """Writes a QM9 file of methane and water; arguments replace arrays or (None) leave them out."""

    def write(**changes: np.ndarray | None) -> Path:
        arrays = {**TWO_MOLECULES, **changes}
        path = tmp_path / "qm9.npz"
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
        return path

    return write


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the prepared sample, for the whole session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def sample_molecules() -> Molecules:
    """The sample from the reader."""
    return read_qm9(SAMPLE)


@pytest.fixture(scope="session")
def sample_store(cache: Path) -> MoleculeStore:
    """The prepared sample."""
    return open_prepared(SAMPLE, read_qm9, CUTOFF, cache)


@pytest.fixture
def load_sample(cache: Path) -> Callable[..., TaskData]:
    """Loads a task of the sample with 500 training, 300 validation and 400 test molecules."""

    def load(name: str = "qm9/U0", seed: int = 1, **sizes: int | None) -> TaskData:
        plan = {"n_train": 500, "n_val": 300, "n_test": 400, **sizes}
        return load_task(name, DataPlan(source="sample", **plan), seed, CUTOFF, cache)

    return load


@pytest.fixture
def shared_file() -> Callable[[str], Path]:
    """A file of the shared data, if it exists."""

    def find(name: str) -> Path:
        folder = os.environ.get("LKM_TUNE_DATA")
        if not folder:
            pytest.skip(f"needs {name}: LKM_TUNE_DATA is not set")
        path = Path(folder) / name
        if not path.exists():
            pytest.skip(f"needs {name}: LKM_TUNE_DATA is set, but {path} is not there")
        return path

    return find


@pytest.fixture
def full_qm9(shared_file: Callable[[str], Path]) -> Path:
    """All of QM9, if it exists."""
    return shared_file("qm9.npz")


@pytest.fixture(scope="session")
def vibrating() -> dict[str, np.ndarray]:
    """300 frames of harmonically vibrating methane: Hartree, Å, Hartree/Å.

    Each C–H bond is a spring of 1.2 Hartree/Å²; frames drift from one to the next by 0.02 Å.
    """
    rng = np.random.default_rng(4)
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    rest = np.concatenate([np.zeros((1, 3)), 1.09 * corners])
    moved = np.zeros((300, 5, 3))
    for frame in range(1, 300):
        moved[frame] = 0.9 * moved[frame - 1] + rng.normal(0, 0.02, (5, 3))
    pos = rest + moved
    bond = pos[:, 1:] - pos[:, :1]
    length = np.linalg.norm(bond, axis=2)
    pull = (-1.2 * (length - 1.09) / length)[:, :, None] * bond
    forces = np.concatenate([-pull.sum(axis=1, keepdims=True), pull], axis=1)
    return {
        "z": np.array([6, 1, 1, 1, 1]),
        "pos": pos,
        "energy": -40.2 + 0.6 * ((length - 1.09) ** 2).sum(axis=1),
        "forces": forces,
    }

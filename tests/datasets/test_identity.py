"""The known name of a dataset determines the molecule of its file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lkm_tune.datasets import DATASETS, DataError
from lkm_tune.datasets.identity import formula_of
from lkm_tune.datasets.md17 import FORMULAS
from lkm_tune.datasets.qm9 import SAMPLE, read_qm9
from lkm_tune.datasets.registry import read_dataset

KCAL = 627.5094740631
NAMES = [*(f"{kind}/{name}" for kind in ("md17", "rmd17") for name in FORMULAS), "chignolin"]


def test_formulas_are_in_hill_s_order():
    for z, formula in [([1, 6, 1, 17], "CH2Cl"), ([8, 1, 1], "H2O"), ([35], "Br"), ([1, 1], "H2")]:
        assert formula_of(np.array(z)) == formula


@pytest.mark.parametrize("unchecked", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_another_molecule_is_refused(
    tmp_path: Path, vibrating: dict[str, np.ndarray], name: str, unchecked: bool
):
    energy, forces = vibrating["energy"], vibrating["forces"]
    path = tmp_path / "methane.npz"
    if name == "chignolin":
        np.savez(
            path, id=np.arange(300), N=np.full(300, 5), Z=np.tile(vibrating["z"], (300, 1)),
            R=vibrating["pos"], E=energy, F=-0.529177210903 * forces,
        )  # fmt: skip
    else:
        labels = {"E": KCAL * energy, "F": KCAL * forces}
        both = labels | {"E_md17": labels["E"], "F_md17": labels["F"]}
        np.savez(path, z=vibrating["z"], R=vibrating["pos"], **both)
    with pytest.raises(DataError, match=rf"{name} is the molecule C\d+H.* is CH4 \(5 atoms\)"):
        read_dataset(DATASETS[name], unchecked, path)


@pytest.mark.parametrize("name", ["aspirin", "benzene", "ethanol", "salicylic", "toluene"])
def test_the_right_name_is_said(shared_file: Callable[[str], Path], name: str):
    path = shared_file(f"rmd17/{name}.npz")
    assert len(read_dataset(DATASETS[f"rmd17/{name}"], False, path)) == 9633
    with pytest.raises(DataError, match=f"rmd17/{name} have this molecule"):
        read_dataset(DATASETS["rmd17/uracil"], False, path)


def test_a_table_of_qm9_in_another_order_is_refused(tmp_path: Path):
    with np.load(SAMPLE) as sample:
        arrays = dict(sample)
    arrays["index"] = arrays["index"][::-1]
    np.savez(tmp_path / "qm9.npz", **arrays)
    with pytest.raises(DataError, match="gdb index .* must be .* as published, but is"):
        read_qm9(tmp_path / "qm9.npz", unchecked=True)

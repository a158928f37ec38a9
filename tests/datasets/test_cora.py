import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lkm_tune.datasets import DataError
from lkm_tune.datasets.cora import PUBLISHED, read_cora
from lkm_tune.datasets.published import locate


@pytest.fixture
def folder(shared_file: Callable[[str], Path]) -> Path:
    return shared_file(PUBLISHED.file)


def test_the_graph_is_the_published_one(folder: Path):
    before = sorted(folder.rglob("*"))
    filters = list(warnings.filters)
    cora = read_cora(folder)
    assert sorted(folder.rglob("*")) == before and warnings.filters == filters
    assert cora.features.shape == (2708, 1433) and cora.features.dtype == torch.float32
    assert torch.allclose(cora.features.sum(dim=1), torch.ones(2708))
    # 5,278 citations, each in both directions, without repetitions and self citations.
    edges = cora.edge_index
    assert edges.shape == (2, 10556) and (edges[0] != edges[1]).all()
    pairs = set(map(tuple, edges.T.tolist()))
    assert len(pairs) == 10556 and all((b, a) in pairs for a, b in pairs)
    assert cora.classes == 7
    assert torch.bincount(cora.labels).tolist() == [351, 217, 418, 818, 426, 298, 180]


def test_the_split_is_the_public_one(folder: Path):
    cora = read_cora(folder)
    parts = cora.parts
    assert parts["train"].tolist() == list(range(140))
    assert parts["val"].tolist() == list(range(140, 640))
    assert parts["test"].tolist() == list(range(1708, 2708))
    assert np.bincount(cora.labels.numpy()[parts["train"]]).tolist() == 7 * [20]


def test_a_foreign_pickle_is_refused_before_it_is_opened(folder: Path, tmp_path: Path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "went-off",))

    copy = tmp_path / "raw"
    shutil.copytree(folder, copy)
    copy.chmod(0o755)
    (copy / "ind.cora.graph").unlink()
    with pytest.raises(DataError, match=r"must hold the files .*ind\.cora\.graph cannot be read"):
        read_cora(copy)
    (copy / "ind.cora.graph").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match=r"ind\.cora\.graph: must be the published file"):
        read_cora(copy)
    assert not (tmp_path / "went-off").exists()


def test_files_put_into_the_cache_by_hand_become_the_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("LKM_TUNE_DATA")
    for remote in PUBLISHED.remotes:
        place = tmp_path / "downloads" / remote.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / place.name, place)
    made = locate(PUBLISHED, "auto", tmp_path)
    assert made == tmp_path / "downloads" / "planetoid" / "Cora" / "raw"
    assert read_cora(made).features.shape == (2708, 1433)
    for path in (made, made.parent, made.parent.parent):
        assert locate(PUBLISHED, str(path)) == made

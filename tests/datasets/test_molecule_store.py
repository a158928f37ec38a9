from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lkm_tune.datasets import DataError, Molecules, MoleculeStore
from lkm_tune.datasets.molecule_store import FORMAT_VERSION
from lkm_tune.datasets.prepared import build_store
from lkm_tune.graphs import MoleculeBatch, batch_from_arrays

FIELDS = ("z", "pos", "graph_index", "edge_index", "bond_index")


def by_hand(molecules: Molecules, indices: list[int], cutoff: float) -> MoleculeBatch:
    """The same batch, from the raw arrays one molecule after the other."""
    spans = [slice(*molecules.offsets[i : i + 2]) for i in indices]
    return batch_from_arrays(
        np.concatenate([molecules.z[span] for span in spans]),
        np.concatenate([molecules.pos[span] for span in spans]).astype(np.float64),
        np.repeat(np.arange(len(indices)), [molecules.n_atoms[i] for i in indices]),
        cutoff=cutoff,
    )


def pairs(index: torch.Tensor) -> list[tuple[int, int]]:
    return sorted(zip(*index.tolist(), strict=True))


def assert_same(batch: MoleculeBatch, expected: MoleculeBatch) -> None:
    assert batch.n_graphs == expected.n_graphs and batch.cutoff == expected.cutoff
    for name in ("z", "pos", "graph_index"):
        assert torch.equal(getattr(batch, name), getattr(expected, name))
    for name in ("edge_index", "bond_index"):
        assert pairs(getattr(batch, name)) == pairs(getattr(expected, name))


@settings(max_examples=20, deadline=None)
@given(indices=st.lists(st.integers(0, 2999), min_size=1, max_size=8))
def test_a_gathered_batch_is_what_graphs_computes_from_the_raw_arrays(
    sample_store: MoleculeStore, sample_molecules: Molecules, indices: list[int]
):
    batch = sample_store.batch(indices, torch.float64)
    assert_same(batch, by_hand(sample_molecules, indices, sample_store.cutoff))


def test_a_batch_of_all_molecules_is_each_of_them_in_turn(sample_store: MoleculeStore):
    everything = sample_store.batch(np.arange(len(sample_store)))
    assert everything.n_graphs == 3000
    for i in range(0, 3000, 37):
        single = sample_store.batch([i])
        atoms = int(sample_store.atom_offsets[i])
        edges, bonds = int(sample_store.edge_offsets[i]), int(sample_store.bond_offsets[i])
        for name, start in (("z", atoms), ("pos", atoms)):
            whole = getattr(everything, name)[start : start + single.n_atoms]
            assert torch.equal(whole, getattr(single, name))
        for name, start in (("edge_index", edges), ("bond_index", bonds)):
            own = getattr(single, name)
            whole = getattr(everything, name)[:, start : start + own.shape[1]]
            assert torch.equal(whole, own + atoms)


def test_types_shapes_and_memory_of_a_batch(sample_store: MoleculeStore):
    for dtype in (torch.float32, torch.float64):
        batch = sample_store.batch(torch.tensor([5, 0, 5]), dtype)
        assert batch.pos.dtype == dtype and batch.pos.shape == (batch.n_atoms, 3)
        assert all(getattr(batch, name).dtype == torch.int64 for name in FIELDS if name != "pos")
        assert all(getattr(batch, name).is_contiguous() for name in FIELDS)
        assert batch.graph_index.unique().tolist() == [0, 1, 2]
    before = sample_store.pos[:5].copy()
    sample_store.batch([0]).pos.zero_()
    assert np.array_equal(sample_store.pos[:5], before)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([], "at least one molecule"),
        ([[0, 1]], r"shape \(1, 2\)"),
        ([3000], "from 0 to 2999, but got 3000..3000"),
        ([4, -1], "-1..4"),
    ],
)
def test_indices_outside_are_refused(sample_store: MoleculeStore, indices: list, message: str):
    with pytest.raises(IndexError, match=message):
        sample_store.batch(indices)


def chain(n_atoms: int, spacing: float = 1.4) -> Molecules:
    """Two straight chains of carbon."""
    one = np.arange(n_atoms)[:, None] * np.array([[spacing, 0, 0]])
    return Molecules(
        name="chain",
        ids=np.array([0, 1]),
        n_atoms=np.array([n_atoms, n_atoms]),
        z=np.full(2 * n_atoms, 6, dtype=np.uint8),
        pos=np.concatenate([one, one]).astype(np.float32),
        targets={"y": np.array([0.0, 1.0])},
    )


@pytest.mark.parametrize(("n_atoms", "width"), [(256, np.uint8), (257, np.uint16)])
def test_molecules_too_large_for_one_byte(n_atoms: int, width: type):
    store = build_store(chain(n_atoms), cutoff=1.5)
    assert store.edges.dtype == store.bonds.dtype == width
    neighbours = [(a, b) for a in range(n_atoms) for b in (a - 1, a + 1) if 0 <= b < n_atoms]
    expected = sorted(neighbours + [(a + n_atoms, b + n_atoms) for a, b in neighbours])
    batch = store.batch([0, 1])
    assert pairs(batch.edge_index) == pairs(batch.bond_index) == expected


def test_molecules_without_any_edge(tmp_path: Path):
    build_store(chain(3, spacing=9.0), cutoff=5.0).save(tmp_path / "store")
    batch = MoleculeStore.open(tmp_path / "store").batch([1, 0, 1])
    assert batch.edge_index.shape == batch.bond_index.shape == (2, 0)
    assert batch.graph_index.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_saved_and_opened_again_it_is_the_same_and_mapped(tmp_path: Path):
    built = build_store(chain(20), cutoff=4.0)
    built.save(tmp_path / "store")
    opened = MoleculeStore.open(tmp_path / "store")
    assert_same(opened.batch([1, 0]), built.batch([1, 0]))
    assert opened.targets["y"].tolist() == [0.0, 1.0]
    assert isinstance(opened.edges.base, np.memmap) and not opened.edges.flags.writeable


@pytest.mark.parametrize("damage", ["meta", "format", "missing", "cut", "swapped"])
def test_a_damaged_folder_is_not_opened(tmp_path: Path, damage: str):
    folder = tmp_path / "store"
    build_store(chain(20), cutoff=4.0).save(folder)
    meta, edges = folder / "store.json", folder / "edges.npy"
    if damage == "meta":
        meta.write_text("{")
    elif damage == "format":
        meta.write_text(meta.read_text().replace(f'"format": {FORMAT_VERSION}', '"format": 0'))
    elif damage == "missing":
        edges.unlink()
    elif damage == "cut":
        edges.write_bytes(edges.read_bytes()[:200])
    else:
        edges.write_bytes((folder / "bonds.npy").read_bytes())
    with pytest.raises(DataError, match=str(folder)):
        MoleculeStore.open(folder)

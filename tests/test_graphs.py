import itertools

import numpy as np
import pytest
import torch
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from lkm_tune.graphs import (
    batch_from_arrays,
    covalent_bonds,
    edge_vectors,
    edges_within,
    radius_edges,
    two_hop_pairs,
)

sizes = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def random_atoms(sizes, seed=0, shuffle=False):
    rng = np.random.default_rng(seed)
    graph = np.repeat(np.arange(len(sizes)), sizes)
    if shuffle:
        rng.shuffle(graph)
    pos = rng.uniform(0, 4, (len(graph), 3))
    return rng.integers(1, 10, len(graph)), pos, graph


def columns(edge_index):
    listed = [tuple(column) for column in np.asarray(edge_index).T.tolist()]
    assert len(listed) == len(set(listed)), "an edge occurs twice"
    return set(listed)


def brute_force_edges(pos, graph, cutoff):
    return {
        (a, b)
        for a, b in itertools.permutations(range(len(pos)), 2)
        if graph[a] == graph[b] and np.linalg.norm(pos[a] - pos[b]) < cutoff
    }


@settings(deadline=None, max_examples=40)
@given(sizes, st.floats(0.5, 6), st.booleans(), st.integers(0, 99))
def test_radius_edges_are_all_near_pairs_of_a_molecule(sizes, cutoff, shuffle, seed):
    _, pos, graph = random_atoms(sizes, seed, shuffle)
    edges = radius_edges(torch.tensor(pos), torch.tensor(graph), cutoff)

    assert columns(edges) == brute_force_edges(pos, graph, cutoff)
    assert edges.dtype == torch.int64


def test_radius_edges_need_no_memory_between_molecules():
    # All pairs of these atoms would be 6e10; the pairs within molecules are 5e5.
    n_graphs, n_atoms = 125_000, 2
    pos = torch.zeros(n_graphs * n_atoms, 3)
    pos[1::2, 0] = 1.0
    graph = torch.arange(n_graphs).repeat_interleave(n_atoms)
    assert radius_edges(pos, graph, 1.5).shape == (2, 2 * n_graphs)


@settings(deadline=None, max_examples=40)
@given(sizes, st.floats(0.5, 4), st.integers(0, 99))
def test_pairs_of_edges_are_what_their_definition_says(sizes, cutoff, seed):
    _, pos, graph = random_atoms(sizes, seed)
    edges = radius_edges(torch.tensor(pos), torch.tensor(graph), cutoff)
    edges = edges[:, torch.randperm(edges.shape[1], generator=torch.Generator().manual_seed(seed))]
    listed = list(enumerate(edges.T.tolist()))
    two_hop = {(e, f) for e, (j, i) in listed for f, (k, j2) in listed if j == j2 and k != i}

    assert columns(torch.stack(two_hop_pairs(edges, len(pos)))) == two_hop
    degree = torch.bincount(edges[1], minlength=len(pos))
    assert len(two_hop) == int((degree**2).sum()) - edges.shape[1]


@pytest.mark.parametrize(
    ("name", "n_bonds"),
    [("CH4", 4), ("C6H6", 12), ("CH3CH2OH", 8), ("C2H2", 3), ("cyclobutane", 12), ("F2", 1)],
)
def test_covalent_bonds_of_known_molecules(name, n_bonds):
    atoms = molecule(name)
    z, pos = torch.tensor(atoms.numbers), torch.tensor(atoms.positions)
    bonds = covalent_bonds(z, pos, torch.zeros_like(z))

    assert bonds.shape == (2, 2 * n_bonds)
    assert columns(bonds) == {(t, s) for s, t in columns(bonds)}
    assert not ((z[bonds[0]] == 1) & (z[bonds[1]] == 1)).any()


def test_bonds_do_not_join_molecules():
    z, pos = torch.tensor([1, 1]), torch.tensor([[0, 0, 0], [0, 0, 0.74]])
    assert covalent_bonds(z, pos, torch.tensor([0, 0])).shape == (2, 2)
    assert covalent_bonds(z, pos, torch.tensor([0, 1])).shape == (2, 0)


def test_elements_without_a_radius_need_given_bonds():
    z, pos, graph = [98, 1], np.array([[0, 0, 0], [0, 0, 2.0]]), [0, 0]
    with pytest.raises(ValueError, match="Z <= 96, but got Z = 98"):
        batch_from_arrays(z, pos, graph)
    assert batch_from_arrays(z, pos, graph, bonds=[[0, 1], [1, 0]]).bond_index.shape == (2, 2)


def test_edge_vectors_point_from_source_to_target():
    pos = torch.tensor([[0.0, 0, 0], [3, 4, 0]])
    vector, length = edge_vectors(pos, torch.tensor([[0], [1]]))
    assert vector.tolist() == [[3, 4, 0]]
    assert length.tolist() == [5]


def test_a_batch_holds_its_edges_and_moves():
    z, pos, graph = random_atoms([4, 1, 6])
    batch = batch_from_arrays(z, pos, graph, cutoff=3.0)
    moved = batch.to("cpu", torch.float32)

    assert (batch.n_graphs, batch.n_atoms, batch.cutoff) == (3, 11, 3.0)
    assert columns(batch.edge_index) == brute_force_edges(pos, graph, 3.0)
    assert batch.pos.dtype == torch.float64
    assert moved.pos.dtype == torch.float32
    assert moved.edge_index.dtype == moved.z.dtype == torch.int64
    assert columns(edges_within(batch, 1.5)) == brute_force_edges(pos, graph, 1.5)
    assert columns(edges_within(batch, 3.5)) == brute_force_edges(pos, graph, 3.5)


def test_arrays_and_tensors_of_any_kind_are_taken():
    z, pos, graph = random_atoms([3, 2])
    pos.flags.writeable = False
    a = batch_from_arrays(z.astype(np.uint8), pos, graph.astype(np.int32))
    b = batch_from_arrays(torch.tensor(z), torch.tensor(pos), torch.tensor(graph))
    c = batch_from_arrays(z.tolist(), pos.tolist(), graph.tolist())

    for other in (b, c):
        assert torch.equal(a.edge_index, other.edge_index)
        assert torch.equal(a.bond_index, other.bond_index)
    assert batch_from_arrays([1], [[0, 0, 0]], [0]).pos.dtype == torch.get_default_dtype()


def test_given_bonds_lose_self_loops():
    z, pos, graph = random_atoms([3])
    batch = batch_from_arrays(z, pos, graph, bonds=np.array([[0, 1, 2], [1, 0, 2]]))
    assert columns(batch.bond_index) == {(0, 1), (1, 0)}


FAR = [[0.0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 1], [[0, 0, 0]], [0, 0]), "shapes must be"),
        (([], np.zeros((0, 3)), []), "N >= 1"),
        (([1, 0], FAR, [0, 0]), "atomic numbers must lie in 1 .. 118, but got 0 .. 1"),
        (([1, 119], FAR, [0, 0]), "but got 1 .. 119"),
        (([1, 1], [[0, 0, 0], [0, np.nan, 0]], [0, 0]), "finite, but atom 1 is at"),
        (([1, 1], FAR, [0, 2]), r"without gaps, but got the values \[0, 2\]"),
        (([1, 1], FAR, [-1, 0]), "without gaps"),
        (([1, 1], np.ones((2, 3)), [0, 0]), "atoms 0 and 1 are at the same place"),
        (([1, 1], FAR, [0, 0], None, 0.0), "`cutoff > 0` must hold, but got cutoff=0.0"),
        (([1, 1], FAR, [0, 0], [[0], [1]]), "once in each direction"),
        (([1, 1], FAR, [0, 0], [[0, 1, 0], [1, 0, 1]]), "once in each direction"),
        (([1, 1], FAR, [0, 0], [[0, 2], [2, 0]]), "atoms 0 .. 1, but got 0 .. 2"),
        (([1, 1], FAR, [0, 1], [[0, 1], [1, 0]]), "atoms of one molecule"),
        (([1, 1], FAR, [0, 0], [0, 1]), r"shape \[2, B\]"),
    ],
)
def test_what_cannot_be_a_batch_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        batch_from_arrays(*arguments)

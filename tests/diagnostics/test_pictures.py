"""Names of atoms, their projection to the plane, and the pictures."""

import builtins

import numpy as np
import pytest
import torch

from lkm_tune.diagnostics.environment import commonest, environments, is_benzene
from lkm_tune.diagnostics.pictures import Cloud, cka_figure, projection_figure
from lkm_tune.diagnostics.projection import project

METHANOL = torch.tensor([6, 8, 1, 1, 1, 1])
BONDS = torch.tensor([[0, 0, 0, 0, 1], [1, 2, 3, 4, 5]])


def both_ways(bonds):
    return torch.cat([bonds, bonds.flip(0)], dim=1)


def ring(size):
    """A ring of CH."""
    carbons = torch.arange(size)
    around = torch.stack([carbons, (carbons + 1) % size])
    z = torch.tensor([6] * size + [1] * size)
    return z, both_ways(torch.cat([around, torch.stack([carbons, carbons + size])], dim=1))


def test_environments():
    assert environments(METHANOL, both_ways(BONDS)) == [
        "C(HHHO)", "O(CH)", "H(C)", "H(C)", "H(C)", "H(O)",
    ]  # fmt: skip
    assert environments(torch.tensor([2]), BONDS[:, :0]) == ["He"]


def test_benzene_is_known_by_its_bonds():
    assert is_benzene(*ring(6))
    assert not is_benzene(*ring(5))
    z, bonds = ring(6)
    chain = bonds[:, ~((bonds == 0).any(0) & (bonds == 5).any(0))]
    assert not is_benzene(z, chain)


def test_rare_names_are_taken_together():
    assert commonest(["a", "b", "c", "b", "c", "c"], 2) == ["other", "b", "c", "b", "c", "c"]
    assert commonest(["b", "a"], 1) == ["other", "a"]


def test_pca_keeps_distances_of_what_is_flat():
    """A projection only rotates states that lie in a plane of four-dimensional space."""
    flat = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1))).Q
    points = project([flat[:10] @ turn[:2], flat[10:] @ turn[:2]], "pca")
    assert points.shape == (2, 10, 2)
    near = torch.cdist(torch.from_numpy(points.reshape(20, 2)), torch.from_numpy(points[0]))
    assert near.numpy() == pytest.approx(torch.cdist(flat, flat[:10]).numpy(), abs=1e-4)


def test_tsne_is_repeatable():
    layers = list(torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(0)))
    assert np.array_equal(project(layers, "tsne"), project(layers, "tsne"))


def test_umap_that_is_not_installed(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "umap":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"pip install 'lkm-tune\[umap\]'"):
        project([torch.eye(4)], "umap")


def test_an_unknown_projection():
    with pytest.raises(ValueError, match="must be one of pca, tsne, umap, got 'pac'"):
        project([torch.eye(4)], "pac")


def test_heatmaps_share_one_scale_and_show_each_value():
    same, other = ((1.0, 0.25), (0.25, 1.0)), ((1.0, float("nan")), (float("nan"), 1.0))
    figure = cka_figure({"γ = 0": same, "γ = 100": other})
    first, second, bar = figure.axes
    assert [axes.get_title() for axes in (first, second)] == ["γ = 0", "γ = 100"]
    assert first.images[0].get_clim() == second.images[0].get_clim() == (0, 1)
    assert [text.get_text() for text in first.texts] == ["1.00", "0.25", "0.25", "1.00"]
    assert [text.get_text() for text in second.texts] == ["1.00", "–", "–", "1.00"]
    assert bar.get_ylabel() == "linear CKA"


def colours(axes):
    """The colour of each drawn point."""
    drawn = axes.collections[0]
    pairs = zip(drawn.get_offsets(), drawn.get_facecolors(), strict=True)
    return {tuple(point): tuple(colour) for point, colour in pairs}


def test_points_of_one_kind_have_one_colour_in_every_network():
    points = np.random.default_rng(0).normal(size=(3, 4, 2))
    kinds = {"element": ["C", "C", "H", "H"]}
    swapped = {"element": ["H", "H", "C", "C"]}
    figure = projection_figure([Cloud("a", points, kinds), Cloud("b", points, swapped)], "PCA", "x")
    by_layer, by_element, _, other = figure.axes
    assert [t.get_text() for t in other.get_legend().get_texts()] == ["C", "H"]
    assert by_layer.get_ylabel() == "a"
    place, swap = colours(by_element), colours(other)
    carbon, hydrogen = place[tuple(points[0, 0])], place[tuple(points[0, 2])]
    assert carbon != hydrogen
    assert swap[tuple(points[2, 0])] == hydrogen
    assert swap[tuple(points[2, 3])] == carbon

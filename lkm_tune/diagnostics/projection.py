"""States of atoms in the plane: one map for all layers of a network."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Method = Literal["pca", "tsne", "umap"]
METHODS: tuple[Method, ...] = get_args(Method)
TITLES: Mapping[str, str] = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
"""Title of each method."""

Points = NDArray[np.float64]


def project(layers: Sequence[Tensor], method: Method, seed: int = 0) -> Points:
    """Every state of every atom in the plane of one map, [L, N, 2].

    Principal components (Pearson 1901), t-SNE (van der Maaten & Hinton 2008) or UMAP (McInnes et
    al. 2018, arXiv:1802.03426). Only the first keeps distances: in the other two, distances between
    clusters mean nothing.

    Args:
        layers: L states of the same N atoms, each [N, D].
        method: `pca`, `tsne`, or `umap`, which needs umap-learn.
        seed: seed of t-SNE and UMAP.

    Raises:
        ValueError: if `method` is none of these, UMAP is not installed, or there are fewer than
            three states.
    """
    if method not in METHODS:
        raise ValueError(f"a projection must be one of {', '.join(METHODS)}, got {method!r}")
    states = np.concatenate([layer.detach().double().cpu().numpy() for layer in layers])
    if len(states) < 3:
        raise ValueError(f"at least 3 states must be there to be projected, got {len(states)}")
    points: Points = np.asarray(_MAKERS[method](seed, len(states)).fit_transform(states))
    return points.astype(np.float64).reshape(len(layers), -1, 2)


def _pca(seed: int, count: int) -> Any:
    from sklearn.decomposition import PCA

    return PCA(2, random_state=seed)


def _tsne(seed: int, count: int) -> Any:
    from sklearn.manifold import TSNE

    return TSNE(2, perplexity=min(30.0, (count - 1) / 3), init="pca", random_state=seed)


def _umap(seed: int, count: int) -> Any:
    try:
        from umap import UMAP
    except ImportError as error:
        raise ValueError(
            "the projection umap needs umap-learn, which is not installed: "
            "pip install 'lkm-tune[umap]', or ask for pca or tsne"
        ) from error

    # Several jobs would give random results.
    return UMAP(n_components=2, n_neighbors=min(15, count - 1), random_state=seed, n_jobs=1)


_MAKERS: Mapping[str, Callable[[int, int], Any]] = {"pca": _pca, "tsne": _tsne, "umap": _umap}

"""Cora: a graph of papers and citations, for the classification of papers.

Sen et al., "Collective classification in network data", AI Magazine 29, 93 (2008), with the public
split of Yang, Cohen and Salakhutdinov, "Revisiting semi-supervised learning with graph embeddings",
ICML (2016).
"""

import shutil
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lkm_tune.datasets.dataset import Dataset, Target, Task, usual
from lkm_tune.datasets.download import Remote, checksum_of
from lkm_tune.datasets.molecules import DataError, Molecules
from lkm_tune.datasets.published import Published, locate

if TYPE_CHECKING:
    from lkm_tune.datasets.node_graph import NodeGraph

_URL = (
    "https://raw.githubusercontent.com/kimiyoung/planetoid/"
    "af6abf468a772cc055bec88c52e4d6f51b7c37e3/data"
)

_SHA256 = {
    "ind.cora.x": "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
    "ind.cora.tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
    "ind.cora.allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
    "ind.cora.y": "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
    "ind.cora.ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
    "ind.cora.ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
    "ind.cora.graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
    "ind.cora.test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
}


def _gather(files: list[Path], folder: Path) -> None:
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder / file.name)


PUBLISHED = Published(
    name="cora",
    file="planetoid/Cora/raw",
    licence="MIT",
    citation="Yang, Cohen and Salakhutdinov, ICML (2016)",
    remotes=tuple(
        Remote(f"{_URL}/{name}", f"planetoid/Cora/{name}", f"sha256:{digest}")
        for name, digest in _SHA256.items()
    ),
    unpack=_gather,
)
"""The eight files of the public split, with checksums from its authors' repository."""


def read_cora(folder: Path) -> "NodeGraph":
    """Reads Cora with its public split: 140 training, 500 validation and 1,000 test nodes.

    The files are pickles, so reading them can run any code in them. PyTorch Geometric unpickles
    copies only after their SHA-256 matched the publisher's.

    Args:
        folder: The folder with the eight `ind.cora.*` files; it is not changed.

    Raises:
        DataError: A file is missing or is not the publisher's.
    """
    with warnings.catch_warnings():
        # Imported here: torch takes seconds to import, and only this dataset needs it. PyTorch
        # Geometric changes the warning filters at its import and when it reads.
        warnings.simplefilter("ignore")
        from torch_geometric.io import read_planetoid_data

        from lkm_tune.datasets.node_graph import NodeGraph

    with tempfile.TemporaryDirectory() as copies:
        for name, digest in _SHA256.items():
            copy = Path(copies) / name
            try:
                shutil.copy(folder / name, copy)
            except OSError as error:
                raise DataError(
                    f"{folder}: must hold the files {', '.join(_SHA256)}, but {name} cannot be "
                    f"read ({error})"
                ) from error
            found = checksum_of(copy, "sha256")
            if found != f"sha256:{digest}":
                raise DataError(
                    f"{folder / name}: must be the published file, with the SHA-256 {digest}, "
                    f"since reading it can run any code in it, but has {found[7:]}"
                )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = read_planetoid_data(copies, "cora")
    return NodeGraph(
        features=data.x / data.x.sum(dim=1, keepdim=True).clamp(min=1.0),
        edge_index=data.edge_index,
        labels=data.y,
        parts={
            part: np.flatnonzero(data[f"{part}_mask"].numpy()) for part in ("train", "val", "test")
        },
        classes=int(data.y.max()) + 1,
    )


def _no_molecules(path: Path, unchecked: bool) -> Molecules:
    raise DataError(f"{path}: holds a graph of nodes and no molecules")


_TOPIC = Target("topic", "topic of a paper, by citations and words", "class", "error rate")

CORA = Dataset(
    name="cora",
    tasks=(Task("cora", "cora", (_TOPIC,), classes=True, geometry=False),),
    locate=partial(locate, PUBLISHED),
    read=_no_molecules,
    sizes=usual(140, 500),
    read_nodes=read_cora,
)
"""The papers with their public split."""

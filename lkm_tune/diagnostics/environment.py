"""Names of atoms: the element, and the element with its bonded neighbours."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from lkm_tune.elements import SYMBOLS


def elements(z: Tensor) -> list[str]:
    """The symbol of each atom.

    Args:
        z: atomic numbers [N].
    """
    return [SYMBOLS[number] for number in z.tolist()]


def environments(z: Tensor, bonds: Tensor) -> list[str]:
    """Element and bonded neighbours of each atom, such as `C(CCH)`; `H` for an atom without bonds.

    Args:
        z: atomic numbers [N].
        bonds: [2, B] covalent bonds, both directions.
    """
    symbols = elements(z)
    near: list[list[str]] = [[] for _ in symbols]
    for source, target in bonds.T.tolist():
        near[source].append(symbols[target])
    return [
        f"{symbol}({''.join(sorted(around))})" if around else symbol
        for symbol, around in zip(symbols, near, strict=True)
    ]


def commonest(names: Sequence[str], most: int) -> list[str]:
    """The names; all except the `most` commonest names become `other`."""
    counts = Counter(names)
    # Names break ties, so that two networks on the same atoms have the same legend.
    kept = sorted(counts, key=lambda name: (-counts[name], name))[:most]
    return [name if name in kept else "other" for name in names]


def is_benzene(z: Tensor, bonds: Tensor) -> bool:
    """Whether a molecule is C6H6 with two carbons and one hydrogen bonded to every carbon."""
    around = environments(z, bonds)
    return bool(
        np.array_equal(np.sort(z.numpy()), [1] * 6 + [6] * 6)
        and around.count("C(CCH)") == around.count("H(C)") == 6
    )

"""Draws the sample of QM9 in this package.

`python -m lkm_tune.datasets.make_sample FULL_QM9.npz SAMPLE.npz` draws the same sample.
"""

import sys
from pathlib import Path

import numpy as np

from lkm_tune.datasets.archive import read_arrays
from lkm_tune.datasets.molecules import offsets_of
from lkm_tune.datasets.qm9 import TARGETS

SIZE = 3000
SEED = 2014


def make_sample(full: Path, sample: Path) -> None:
    """Draws molecules from all of QM9 with equal probability, and writes them unchanged.

    Coordinates stay float32 and properties float64, with the bits of the full file. Molecules are
    in the order of their gdb index.

    Args:
        full: The .npz file of all of QM9 for `read_qm9`, with `smiles`.
        sample: The .npz file to write.
    """
    raw = read_arrays(full, ("index", "smiles", "n_atoms", "z", "pos", *TARGETS))
    n_molecules = len(raw["n_atoms"])
    drawn = np.zeros(n_molecules, dtype=bool)
    generator = np.random.Generator(np.random.PCG64(SEED))
    drawn[generator.choice(n_molecules, size=SIZE, replace=False)] = True
    molecule_of_atom = np.repeat(np.arange(n_molecules), np.diff(offsets_of(raw["n_atoms"])))
    atoms = drawn[molecule_of_atom]
    arrays = {
        name: values[atoms] if name in ("z", "pos") else values[drawn]
        for name, values in raw.items()
    }
    arrays["smiles"] = arrays["smiles"].astype(np.str_)
    np.savez_compressed(sample, allow_pickle=False, **arrays)


if __name__ == "__main__":
    make_sample(Path(sys.argv[1]), Path(sys.argv[2]))

"""Chignolin: conformations of a protein of 166 atoms, with energies and forces.

Wang, He, Li, Shao and Liu, "AIMD-Chig: exploring the conformational space of a 166-atom protein
Chignolin with ab initio molecular dynamics", Scientific Data 10, 549 (2023); the 9,543
conformations read here came with Wang et al., "Enhancing geometric representations for molecules
with equivariant vector-scalar interactive message passing", Nature Communications 15, 313 (2024).
"""

from functools import partial
from pathlib import Path

import numpy as np

from lkm_tune.datasets.archive import check_array, read_arrays
from lkm_tune.datasets.dataset import (
    BOHR,
    HARTREE_IN_KCAL_MOL,
    Dataset,
    Target,
    Task,
    usual,
)
from lkm_tune.datasets.download import Remote
from lkm_tune.datasets.molecules import Array, DataError, Molecules, in_single, single_precision
from lkm_tune.datasets.published import Published, locate
from lkm_tune.datasets.trajectory import (
    ALL_ELECTRONS,
    VALENCE_ELECTRONS,
    check_energy,
    check_frames_differ,
    check_hydrogens,
)

_COMMIT = "497efaa190ee6f6cbc6030710c44208a01ece52d"

PUBLISHED = Published(
    name="chignolin",
    file="chignolin/chignolin.npz",
    licence="MIT",
    citation="Wang et al., Nature Communications 15, 313 (2024)",
    remotes=(
        Remote(
            f"https://github.com/microsoft/AI2BMD/raw/{_COMMIT}/chignolin_data/raw/chignolin.npz",
            "chignolin/chignolin.npz",
            "git:032a9fecac9af5a163988ade2bd58f46d3adc836",
        ),
    ),
)
"""The published set; the checksum comes from the authors' repository."""


STAND_IN_SHA256 = "177fd1c34682e7bc91e2c8930c3b517330810abdacf06d81a57fe8db7ce60204"
"""The stand-in: 1,500 frames of the same molecule with labels of a semi-empirical method."""


def read_chignolin(path: Path, unchecked: bool = False) -> Molecules:
    """Reads and checks the conformations.

    Args:
        path: An .npz file with `id` [M] (if these are no whole numbers, frames are numbered from
            0), `N` [M] atoms of each frame, `E` [M] (Hartree), `Z`, `R` (Å) and `F`, the gradient
            of the energy (Hartree/bohr), so that forces are −F. `Z`, `R` and `F` list all atoms in
            sequence, or have one row per frame, padded beyond N. Other arrays are ignored.
        unchecked: Whether to skip the rules on units, signs and repeated frames.

    Returns:
        The frames; the target `energy` in Hartree, atoms included, its forces in Hartree/Å.

    Raises:
        DataError: The file cannot be read, arrays are missing or do not fit, frames are repeated,
            or values cannot be in the units above.
    """
    raw = read_arrays(path, ("id", "R", "Z", "N", "E", "F"))
    n_frames = len(raw["N"]) if raw["N"].ndim else 0
    check_array(path, "N", raw["N"], "iu", n_frames)
    check_array(path, "E", raw["E"], "f", n_frames)
    n_atoms = raw["N"].astype(np.int64)
    z, pos, gradient = _atoms(path, raw)
    unknown = sorted({int(number) for number in np.unique(z)} - set(VALENCE_ELECTRONS))
    if unknown:
        raise DataError(
            f"{path}: the elements of Chignolin are 1, 6, 7, 8, but Z has {unknown} among the "
            "first N of a frame"
        )
    numbered = raw["id"].dtype.kind in "iu"
    molecules = Molecules(
        name=str(path),
        ids=raw["id"].astype(np.int64) if numbered else np.arange(n_frames),
        n_atoms=n_atoms,
        z=z.astype(np.uint8),
        pos=single_precision(pos, n_atoms),
        targets={"energy": raw["E"].astype(np.float64)},
        forces={"energy": in_single(-gradient / BOHR)},
    )
    if unchecked:
        return molecules
    check_energy(molecules, "energy", 1.0, ALL_ELECTRONS, VALENCE_ELECTRONS)
    check_hydrogens(molecules, "energy", 1.0)
    check_frames_differ(molecules, pos)
    return molecules


def _atoms(path: Path, raw: dict[str, Array]) -> tuple[Array, Array, Array]:
    """Z [N], R [N, 3] and F [N, 3] of the atoms, without padding."""
    z, n_atoms = raw["Z"], raw["N"]
    frames = (len(n_atoms), z.shape[1]) if z.ndim == 2 else (int(n_atoms.sum()),)
    check_array(path, "Z", z, "iu", *frames)
    for name in ("R", "F"):
        check_array(path, name, raw[name], "f", *frames, 3)
    if z.ndim == 1:
        return z, raw["R"], raw["F"]
    if len(n_atoms) and not 0 < n_atoms.min() <= n_atoms.max() <= z.shape[1]:
        raise DataError(
            f"{path}: N must lie in 1..{z.shape[1]}, the atoms in a row of Z, but is "
            f"{n_atoms.min()}..{n_atoms.max()}"
        )
    real = np.arange(z.shape[1]) < n_atoms[:, None]
    return z[real], raw["R"][real], raw["F"][real]


_ENERGY = Target(
    "energy", "energy of Chignolin, less its atoms", "Hartree", "kcal/mol", HARTREE_IN_KCAL_MOL,
    fit_references=True,
)  # fmt: skip

CHIGNOLIN = Dataset(
    name="chignolin",
    tasks=(Task("chignolin", "chignolin", (_ENERGY,), forces=True),),
    locate=partial(locate, PUBLISHED),
    read=read_chignolin,
    sizes=usual(1_000, 200),
    formula="C62H73N11O20",
    cautions={
        STAND_IN_SHA256: "energies and forces of this stand-in for the Chignolin set come from the "
        "semi-empirical GFN2-xTB: errors on it are not comparable with published errors"
    },
)
"""The published set, or the stand-in."""

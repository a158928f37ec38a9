"""The published files of MD17 and its revision, and their conversion."""

import io
import re
from functools import partial
from pathlib import Path

import numpy as np

from lkm_tune.datasets.dataset import KCAL_IN_MEV, Dataset, Target, Task, usual
from lkm_tune.datasets.download import Remote
from lkm_tune.datasets.md17 import FORMULAS, NAMES, Labels, read_md17
from lkm_tune.datasets.members import read_members
from lkm_tune.datasets.molecules import Array, DataError
from lkm_tune.datasets.published import Published, locate

_ARCHIVE = Remote(
    "https://figshare.com/ndownloader/files/23950376",
    "rmd17.tar.bz2",
    "sha256:cddeea2ec2c4b22a9de16a9a65a3eeedac5b29da9c99c20bbff0153912bf922b",
)
_SPLIT = re.compile(r"rmd17/splits/index_((?:train|test)_\d+)\.csv")

# Some files of quantum-machine.org have other names; it publishes no checksums.
_ORIGINAL = {
    "benzene": "md17_benzene2017.npz",
    "azobenzene": "azobenzene_dft.npz",
    "paracetamol": "paracetamol_dft.npz",
}


def unpack_rmd17(name: str, archive: Path, target: Path) -> None:
    """Extracts one molecule and the common splits from the public archive.

    Args:
        name: The molecule.
        archive: `rmd17.tar.bz2`.
        target: The file to write: the published .npz with the splits as `split_train_01` and so on.

    Raises:
        DataError: The archive is broken or lacks the molecule or the splits.
    """
    arrays: dict[str, Array] = {}
    splits: dict[str, Array] = {}
    for member, content in read_members(archive):
        split = _SPLIT.fullmatch(member)
        if split:
            splits[f"split_{split[1]}"] = np.array(content.split(), dtype=np.int64)
        elif member == f"rmd17/npz_data/rmd17_{name}.npz":
            with np.load(io.BytesIO(content), allow_pickle=False) as published:
                arrays = {key: published[key] for key in published.files}
    if not arrays or not splits:
        raise DataError(
            f"{archive}: must hold rmd17/npz_data/rmd17_{name}.npz and rmd17/splits/index_*.csv, "
            f"but lacks the {'splits' if arrays else 'molecule'}"
        )
    with target.open("wb") as file:  # NumPy would add .npz to a name.
        np.savez(file, allow_pickle=False, **arrays, **splits)


def revised(name: str) -> Published:
    """The source of a molecule's revised frames."""
    return Published(
        name=f"rmd17/{name}",
        file=f"rmd17/{name}.npz",
        licence="CC0",
        citation="Christensen and von Lilienfeld, Mach. Learn.: Sci. Technol. 1, 045018 (2020)",
        remotes=(_ARCHIVE,),
        unpack=lambda raw, target: unpack_rmd17(name, raw[0], target),
    )


def original(name: str) -> Published:
    """The source of a molecule's original frames."""
    served = _ORIGINAL.get(name, f"md17_{name}.npz")
    url = f"http://www.quantum-machine.org/gdml/data/npz/{served}"
    return Published(
        name=f"md17/{name}",
        file=f"md17/{name}.npz",
        licence="not stated by the publisher",
        citation="Chmiela et al., Science Advances 3, e1603015 (2017)",
        remotes=(Remote(url, f"md17/{name}.npz", None),),
        alike=(f"rmd17/{name}.npz",),
    )


def _dataset(kind: str, molecule: str, published: Published, labels: Labels) -> Dataset:
    # The literature gives errors on MD17 in kcal/mol and on revised MD17 in meV.
    unit, factor = ("meV", KCAL_IN_MEV) if labels == "revised" else ("kcal/mol", 1.0)
    meaning = f"energy of {molecule}, {labels} labels"
    name = f"{kind}/{molecule}"
    energy = Target("energy", meaning, "kcal/mol", unit, factor)
    return Dataset(
        name=name,
        tasks=(Task(name, name, (energy,), forces=True),),
        locate=partial(locate, published),
        read=lambda path, unchecked: read_md17(path, labels, unchecked),
        sizes=usual(1_000, 1_000),
        reading=labels,
        formula=FORMULAS[molecule],
    )


MD17 = tuple(_dataset("md17", name, original(name), "original") for name in NAMES)
"""MD17 by molecule. Its publisher has no checksums: `read_md17` recognises the kind of a file, and
the length reveals an incomplete transfer. In a folder of data, a file of the revision with original
labels is equivalent."""

REVISED_MD17 = tuple(_dataset("rmd17", name, revised(name), "revised") for name in NAMES)
"""rMD17 by molecule: one archive of 1.07 GB for all molecules, which stays in the cache."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from lkm_tune.datasets import DataError
from lkm_tune.datasets.md17 import NAMES, read_md17
from lkm_tune.datasets.md17_files import MD17, REVISED_MD17, original, revised, unpack_rmd17

KCAL = 627.5094740631


@pytest.fixture
def archive(tmp_path: Path, vibrating: dict[str, np.ndarray]) -> Path:
    """An archive in the format of rMD17, of methane, with one split."""
    molecule = io.BytesIO()
    np.savez(
        molecule, nuclear_charges=vibrating["z"], coords=vibrating["pos"],
        energies=KCAL * vibrating["energy"], forces=KCAL * vibrating["forces"],
        old_indices=np.arange(300),
    )  # fmt: skip
    files = {
        "rmd17/readme.txt": b"revised",
        "rmd17/npz_data/rmd17_methane.npz": molecule.getvalue(),
        "rmd17/splits/index_train_01.csv": b"0\n5\n7\n",
        "rmd17/splits/index_test_01.csv": b"1\n2\n299\n",
    }
    with tarfile.open(tmp_path / "rmd17.tar.bz2", "w:bz2") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return tmp_path / "rmd17.tar.bz2"


def test_a_molecule_comes_with_its_published_splits(archive: Path, tmp_path: Path):
    unpack_rmd17("methane", archive, tmp_path / "made.partial")
    molecules = read_md17(tmp_path / "made.partial", "revised")
    assert len(molecules) == 300
    assert molecules.parts["train_01"].tolist() == [0, 5, 7]
    assert molecules.parts["test_01"].tolist() == [1, 2, 299]


def test_what_the_archive_lacks_is_named(archive: Path, tmp_path: Path):
    with pytest.raises(DataError, match=r"rmd17_ethanol\.npz .* lacks the molecule"):
        unpack_rmd17("ethanol", archive, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_every_molecule_is_published_twice():
    assert [d.name for d in MD17] == [f"md17/{n}" for n in NAMES] and len(REVISED_MD17) == 10
    assert original("benzene").remotes[0].url.endswith("/md17_benzene2017.npz")
    assert revised("uracil").file == "rmd17/uracil.npz" in original("uracil").alike

"""The archive format of QM9, with molecules of the sample."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from lkm_tune.datasets import DataError
from lkm_tune.datasets.qm9 import SAMPLE, TARGETS, read_qm9
from lkm_tune.datasets.qm9_archive import convert_qm9

# The first file of the published archive.
METHANE = (
    "5\n"
    "gdb 1\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t0.1171\t0.5048\t35.3641\t0.044749\t"
    "-40.47893\t-40.476062\t-40.475117\t-40.498597\t6.469\t\n"
    "C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689\n"
    "H\t 0.002150416\t-0.0060313176\t 0.0019761204\t 0.133921\n"
    "H\t 1.0117308433\t 1.4637511618\t 0.0002765748\t 0.133922\n"
    "H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923\n"
    "H\t-0.5238136345\t 1.4379326443\t 0.9063972942\t 0.133923\n"
    "1341.307\t1341.3284\t1341.365\t1562.6731\t1562.7453\t3038.3205\t3151.6034\t3151.6788\t3151.7078\n"
    "C\tC\t\n"
    "InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4\n"
)
SYMBOLS = {1: "H", 6: "C", 7: "N", 8: "O", 9: "F"}


def as_published(sample: dict[str, np.ndarray], molecule: int) -> str:
    """A molecule of the sample in the format of the archive."""

    def written(number: float) -> str:
        return repr(float(number)).replace("e", "*^")

    ends = np.cumsum(sample["n_atoms"])
    atoms = range(ends[molecule] - sample["n_atoms"][molecule], ends[molecule])
    values = [0.0, 0.0, 0.0, *(float(sample[name][molecule]) for name in TARGETS)]
    lines = [
        str(len(atoms)),
        "\t".join([f"gdb {sample['index'][molecule]}", *map(written, values), ""]),
        *("\t".join([SYMBOLS[int(sample["z"][a])], *map(written, sample["pos"][a]), "6.*^-6"])
          for a in atoms),
        "1341.307\t1341.3284",
        f"{sample['smiles'][molecule]}\t{sample['smiles'][molecule]}\t",
        "InChI=1S/x\tInChI=1S/x",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def write_archive(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:bz2") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def write_list(path: Path, *left_out: int) -> Path:
    rows = "".join(f"   {index}  CCO  CC.O  0.5\n" for index in left_out)
    path.write_text(f"=====\nMolecules of inconsistent geometry\n  Index  SMILES\n{rows}-----\n\n")
    return path


def test_the_archive_becomes_the_same_molecules(tmp_path: Path):
    with np.load(SAMPLE) as file:
        sample = {name: file[name] for name in file.files}
    chosen = [2000, 91, 700, 0, 2999]
    files = {f"dsgdb9nsd_{i:06d}.xyz": as_published(sample, i) for i in chosen}
    assert "*^-05" in files["dsgdb9nsd_000091.xyz"]
    left_out = int(sample["index"][700])
    convert_qm9(
        write_archive(tmp_path / "a.tar.bz2", files),
        write_list(tmp_path / "list.txt", left_out),
        tmp_path / "made",
    )
    made, whole = read_qm9(tmp_path / "made"), read_qm9(SAMPLE)
    kept = [0, 91, 2000, 2999]
    assert made.ids.tolist() == sample["index"][kept].tolist()
    atoms = np.isin(np.repeat(np.arange(3000), whole.n_atoms), kept)
    assert np.array_equal(made.pos, whole.pos[atoms]) and np.array_equal(made.z, whole.z[atoms])
    for name in TARGETS:
        assert np.array_equal(made.targets[name], whole.targets[name][kept])
    with np.load(tmp_path / "made", allow_pickle=False) as file:
        assert file["smiles"].tolist() == sample["smiles"][kept].tolist()


def test_methane_as_published(tmp_path: Path):
    archive = write_archive(tmp_path / "a.tar.bz2", {"dsgdb9nsd_000001.xyz": METHANE})
    convert_qm9(archive, write_list(tmp_path / "list.txt"), tmp_path / "made")
    methane = read_qm9(tmp_path / "made")
    assert methane.ids.tolist() == [1] and methane.z.tolist() == [6, 1, 1, 1, 1]
    assert methane.targets["U0"].tolist() == [-40.47893]
    assert methane.pos[0] == pytest.approx([-0.0126981359, 1.0858041578, 0.0080009958])
    with np.load(tmp_path / "made") as file:
        assert file["A"].tolist() == [157.7118]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("5\n", "6\n"),
        ("6.469", ""),
        ("C\t-0.01", "Xx\t-0.01"),
        ("1.0858041578", "one"),
        ("gdb", ""),
    ],
)
def test_a_file_in_another_format_is_named(tmp_path: Path, old: str, new: str):
    archive = write_archive(tmp_path / "a.tar", {"m.xyz": METHANE.replace(old, new, 1)})
    with pytest.raises(DataError, match=r"a\.tar, m\.xyz: must be a molecule in QM9's format"):
        convert_qm9(archive, write_list(tmp_path / "list.txt"), tmp_path / "made")


def test_a_broken_or_empty_archive_is_refused(tmp_path: Path):
    files = {f"{i}.xyz": METHANE.replace("gdb 1", f"gdb {i}") for i in range(1, 2000)}
    whole = write_archive(tmp_path / "a.tar.bz2", files).read_bytes()
    cut = tmp_path / "cut.tar.bz2"
    for share in (0.0, 0.5, 0.9):
        cut.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DataError, match=r"cut\.tar\.bz2: is not a readable tar archive"):
            convert_qm9(cut, write_list(tmp_path / "list.txt"), tmp_path / "made")
    empty = write_archive(tmp_path / "empty.tar.bz2", {"readme.txt": "nothing"})
    with pytest.raises(DataError, match="holds no valid ones"):
        convert_qm9(empty, write_list(tmp_path / "list.txt"), tmp_path / "made")
    assert not (tmp_path / "made").exists()

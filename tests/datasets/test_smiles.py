import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lkm_tune.datasets import DataError
from lkm_tune.datasets.pubchem import PUBCHEM, PUBLISHED
from lkm_tune.datasets.smiles import read_smiles

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*lines: str) -> Path:
        path = tmp_path / "own.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def test_atoms_and_bonds_of_ethanol_and_benzene(write: Write):
    molecules = read_smiles(write("name,smiles,gap", "a,CCO,5.5", "b,c1ccccc1,-1e-3"), ["gap"])
    assert molecules.pos is None and molecules.ids.tolist() == [0, 1]
    assert molecules.n_atoms.tolist() == [9, 12]
    assert molecules.z.tolist() == [6, 6, 8, *6 * [1], *6 * [6], *6 * [1]]
    assert molecules.targets["gap"].tolist() == [5.5, -1e-3]
    bonds = molecules.bonds
    assert bonds.counts.tolist() == [16, 24]
    ethanol = {tuple(pair) for pair in bonds.pairs[:, :16].T.tolist()}
    heavy = {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert len(ethanol) == 16 and heavy < ethanol
    assert all((b, a) in ethanol for a, b in ethanol)
    assert sorted(np.bincount(bonds.pairs[0, :16])) == [1, 1, 1, 1, 1, 1, 2, 4, 4]


def test_groups_are_scaffolds(write: Write):
    lines = ["Cc1ccccc1", "CCO", "Oc1ccccc1", "C1CCCCC1", "CCC", "c1ccccc1CC[C@H](F)Cl"]
    path = write("smiles,y", *(f"{text},1" for text in lines))
    assert read_smiles(path, ["y"]).groups.tolist() == [0, 1, 0, 2, 1, 0]


def test_another_column_zwitterions_and_single_atoms(write: Write):
    path = write("mol,y,z", "C[N+](C)(C)CC(=O)[O-],1,2", " [He] ,3,4", "[H][H],5,6", "", "")
    molecules = read_smiles(path, ["y", "z"], smiles="mol")
    assert molecules.n_atoms.tolist() == [19, 1, 2]
    assert molecules.bonds.counts.tolist() == [36, 0, 2]
    assert molecules.targets["z"].tolist() == [2, 4, 6]


BROKEN = {
    "C1CC": "'C1CC' is no SMILES that RDKit understands",
    "F(F)(F)F": "is no SMILES",
    "": "'' is no SMILES",
    "CC.O": "must be one molecule, but has 2 fragments",
    "[NH4+]": "must be neutral, but has the charge +1",
    "CC(=O)[O-]": "but has the charge -1",
    "C*": "has an atom of no element",
    "OCC": "'OCC' is the same molecule as line 2",
}


def test_every_broken_line_is_told_at_once_and_rdkit_is_silent(
    write: Write, capfd: pytest.CaptureFixture[str]
):
    path = write("smiles,y", "CCO,1", *(f"{text},1" for text in BROKEN), "CCCC,none", "CCCCC,inf")
    with pytest.raises(DataError) as error:
        read_smiles(path, ["y"])
    lines = str(error.value).splitlines()
    assert lines[0] == f"{path} cannot be used unchanged:"
    for line, (told, expected) in enumerate(zip(lines[1:], BROKEN.values(), strict=False), start=3):
        assert told.startswith(f"  line {line}: ") and expected in told
    assert lines[9] == "  line 11: y must be a finite number, but there is 'none'"
    assert lines[10] == "  line 12: y must be a finite number, but there is 'inf'"
    assert capfd.readouterr() == ("", "")


def test_no_more_than_ten_lines_are_told(write: Write):
    with pytest.raises(DataError, match=r"line 11: .*\n  and 3 more\n  \(data.invalid: skip"):
        read_smiles(write("smiles,y", *(13 * ["X,1"])), ["y"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["smiles,gap,mass", "C,1,2"], "lacks the columns y; it has smiles, gap, mass"),
        (["SMILES,y", "C,1"], "lacks the columns smiles; it has SMILES, y"),
        (["smiles,y"], "there must be molecules, but there are none"),
        (["smiles,y", "C,"], "line 2: y must be a finite number, but there is nothing"),
        (["smiles,y", "C"], "line 2: y must be a finite number, but there is nothing"),
        (["smiles,y", "C,1", ",", "CC,1"], "line 3: "),
        (["smiles,y", "C,1", "CC,1,2"], "line 3: 'CC' has 3 fields, but the table has 2 columns"),
        (["smiles,y", "C,1,2"], "line 2: 'C' has 3 fields, but the table has 2 columns"),
        ([""], "there must be molecules"),
    ],
)
def test_a_file_in_another_form_is_refused(write: Write, lines: list[str], message: str):
    path = write(*lines)
    with pytest.raises(DataError, match=message) as error:
        read_smiles(path, ["y"])
    assert str(path) in str(error.value)


def test_what_is_no_csv_file_is_refused(tmp_path: Path):
    (tmp_path / "bytes.csv").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"smiles,y\nC,1\n")[:-9])
    wrong = {
        "bytes.csv": "must be text",
        "": "is not a readable file",
        "cut.csv.gz": "is not a readable file",
    }
    for name, rule in wrong.items():
        with pytest.raises(DataError, match=rule):
            read_smiles(tmp_path / name, ["y"])
    with pytest.raises(DataError, match=r"gone\.csv: there is no such file"):
        read_smiles(tmp_path / "gone.csv", ["y"])


def test_the_gaps_of_pubchem(shared_file: Callable[[str], Path]):
    (target,) = (target.name for target in PUBCHEM.tasks[0].targets)
    molecules = read_smiles(shared_file(PUBLISHED.file), [target])
    assert len(molecules) == 16_279 and molecules.groups.max() == 3166
    gaps = molecules.targets[target]
    # The description of the data gives 1.133 eV for predicting the mean.
    assert np.abs(gaps - gaps.mean()).mean() == pytest.approx(1.133, abs=0.02)
    assert molecules.n_atoms.min() == 2 and molecules.n_atoms.max() == 100
    assert {1, 6, 7, 8, 9, 16, 17, 35} < set(np.unique(molecules.z))

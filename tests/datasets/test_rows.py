import gzip
import re
from pathlib import Path

import pytest

from lkm_tune.datasets import DataError
from lkm_tune.datasets.cleaning import Cleaning
from lkm_tune.datasets.rows import read_rows, suffix_of

WATER = "3\nname={name}\nO 0 0 0\nH 0 0.76 0.59\nH 0 -0.76 {z}\n"
FILES = {
    "twice.csv": ("smiles\nCCO\nCCN\nOCC\n", ["line 2", "line 3", "line 4"], {}),
    "bad.csv": ("smiles\nCCO\nC1CC\n\nC.C\n[NH4+]\n", [f"line {n}" for n in range(2, 7)],
                {1: "no SMILES", 2: "'' is no SMILES", 3: "2 fragments", 4: "charge"}),
    "own.smi": ("CCO ethanol\n\nXX\n", ["line 1", "line 3"], {1: "no SMILES"}),
    "own.xyz": (WATER.format(name="a", z=0.59) + WATER.format(name="b", z="-0.59"), ["a", "b"], {}),
    "charged.xyz": (WATER.format(name="a total_charge=1", z=0.59)
                    + WATER.format(name="b", z=-0.59), ["a", "b"], {0: "has total_charge 1"}),
    "near.xyz": ("2\nname=a\nH 0 0 0\nH 0 0 0.1\n" + WATER.format(name="b", z=0.59), ["a", "b"],
                 {0: "atoms 0 and 1 .* 0.1 Å apart"}),
    "ion.xyz": ("1\nname=a charge=1\nHe 0 0 0\n" + WATER.format(name="b", z=0.59), ["a", "b"],
                {0: "charge 1, which no model can use"}),
}  # fmt: skip


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", FILES)
def test_every_entry_is_a_row(tmp_path: Path, name: str, compressed: bool):
    text, names, reasons = FILES[name]
    path = tmp_path / (f"{name}.gz" if compressed else name)
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    rows = read_rows(path)
    assert list(rows.names) == names and set(rows.reasons) == set(reasons)
    for place, rule in reasons.items():
        assert re.search(rule, rows.reasons[place])
    assert rows.molecules is not None
    good = [place for place in range(len(names)) if place not in reasons]
    assert rows.molecules.ids.tolist() == good


def test_molecules_are_treated_as_those_that_were_trained_on(tmp_path: Path):
    path = tmp_path / "salts.csv"
    path.write_text("smiles\nCC(=O)[O-].[Na+]\n[NH4+]\nCO\n")
    assert set(read_rows(path).reasons) == {0, 1}
    cleaned = read_rows(path, cleaning=Cleaning(fragments="largest", charged="neutralise"))
    assert cleaned.reasons == {} and cleaned.molecules.n_atoms.tolist() == [8, 4, 6]


def test_a_conformer_is_that_of_training_wherever_the_row_stands(tmp_path: Path):
    for name, texts in (("a", ["CO", "CCO"]), ("b", ["C1CC", "CCO", "CO"])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["smiles", *texts]))
    etkdg = Cleaning(conformer="etkdg")
    first, second = (read_rows(tmp_path / f"{name}.csv", cleaning=etkdg) for name in "ab")
    assert (first.molecules.pos[:6] == second.molecules.pos[-6:]).all()
    assert second.reasons == {0: "'C1CC' is no SMILES that RDKit understands"}


@pytest.mark.parametrize(
    ("text", "suffix"),
    [("smiles\nC\n", ".csv"), (" 3\nx\n", ".xyz"), ("a\nM  END\n$$$$\n", ".sdf")],
)
def test_what_standard_input_holds(text: str, suffix: str):
    assert suffix_of(text) == suffix


def test_a_file_without_rows_is_refused(tmp_path: Path):
    for name in ("none.smi", "none.csv", "none.sdf", "none.xyz", "none.pdb"):
        (tmp_path / name).write_text("")
        with pytest.raises(DataError, match=name):
            read_rows(tmp_path / name)

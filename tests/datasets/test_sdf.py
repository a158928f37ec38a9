import gzip
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem.rdDistGeom import EmbedMolecule

from lkm_tune.datasets import DataError, MoleculeData, load_task
from lkm_tune.datasets.cleaning import Cleaning
from lkm_tune.datasets.sdf import read_sdf
from lkm_tune.study import DataPlan

Atoms = list[tuple[str, float, float, float]]
WATER: Atoms = [("O", 0, 0, 0.1173), ("H", 0, 0.7572, -0.4692), ("H", 0, -0.7572, -0.4692)]
AMMONIA: Atoms = [
    ("N", 0, 0, 0.1), ("H", 0, 0.94, -0.27), ("H", 0.814, -0.47, -0.27), ("H", -0.814, -0.47, -0.27)
]  # fmt: skip


def v2000(title: str, atoms: Atoms, extra: str = "", bonds: bool = True, **fields: object) -> str:
    count = len(atoms) - 1 if bonds else 0
    text = f"{title}\n  made up\n\n{len(atoms):3d}{count:3d}  0  0  0  0  0  0  0  0999 V2000\n"
    for symbol, x, y, z in atoms:
        text += f"{x:10.4f}{y:10.4f}{z:10.4f} {symbol:<3} 0  0  0  0  0  0  0  0  0  0  0  0\n"
    text += "".join(f"  1{atom:3d}  1  0\n" for atom in range(2, count + 2))
    text += extra + "M  END\n"
    return text + "".join(f"> <{name}>\n{value}\n\n" for name, value in fields.items())


def v3000(smiles: str, **fields: object) -> str:
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    EmbedMolecule(molecule, randomSeed=7)
    text = Chem.MolToV3KMolBlock(molecule)
    return text + "".join(f"> <{name}>\n{value}\n\n" for name, value in fields.items())


def write(tmp_path: Path, *records: str, name: str = "own.sdf") -> Path:
    path = tmp_path / name
    content = "".join(record + "$$$$\n" for record in records).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["own.sdf", "own.SDF", "own.sdf.gz"])
def test_every_record_is_a_molecule(tmp_path: Path, name: str):
    bare = v2000("ammonia", AMMONIA, bonds=False, y=2)
    records = [v2000("water", WATER, y=1), bare, v3000("CO", y="3e0")]
    molecules = read_sdf(write(tmp_path, *records, name=name), ["y"], Cleaning())
    assert molecules.n_atoms.tolist() == [3, 4, 6]
    assert molecules.z[:7].tolist() == [8, 1, 1, 7, 1, 1, 1]
    assert molecules.targets["y"].tolist() == [1, 2, 3]
    expected = np.array([position for _, *position in WATER])
    assert molecules.pos[:3] == pytest.approx(expected - expected.mean(axis=0), abs=1e-6)


FLAT: Atoms = [("C", 0, 0, 0), ("O", 1, 0, 0)]
CHARGE = "M  CHG  1   1   1\n"
WRONG = {
    "charged": (v2000("ion", [*AMMONIA, ("H", 0, 0, 1.12)], CHARGE, y=1), r"the charge \+1"),
    "drawn": (v2000("paper", FLAT, y=1), "no positions in three dimensions; data.conformer: etkdg"),
    "no hydrogens": (v2000("bare", [("C", 0, 0, 0), ("O", 1, 0, 1)], y=1), "of its hydrogens"),
    "no value": (v2000("water", WATER), "y must be a finite number, but there is nothing"),
    "text": (v2000("water", WATER, y="wet"), "y must be a finite number, but there is 'wet'"),
    "twice": (v2000("water", WATER, y=1) + "> <y>\n2\n\n", "has the field y twice"),
    "atoms missing": (v2000("water", WATER, y=1).replace("  3  2", "  9  2"), "no molecule"),
}


@pytest.mark.parametrize(("record", "rule"), WRONG.values(), ids=WRONG)
def test_a_wrong_record_is_named_or_left_out(tmp_path: Path, record: str, rule: str):
    path = write(tmp_path, v2000("ammonia", AMMONIA, y=2), record)
    with pytest.raises(DataError, match=rf"record 2 \(\w+\): .*{rule}"):
        read_sdf(path, ["y"], Cleaning())
    kept = read_sdf(path, ["y"], Cleaning(invalid="skip", max_skipped=0.5))
    assert kept.n_atoms.tolist() == [4] and len(kept.remarks) == 1


def test_a_record_that_rdkit_stumbles_over_is_refused(tmp_path: Path):
    """RDKit raises a RuntimeError, and not the error of a molecule that cannot be."""
    damaged = v2000("water", WATER, y=1).replace("H   0  0", "H  " + "9" * 40)
    with pytest.raises(RuntimeError, match="Pre-condition"):
        Chem.SanitizeMol(Chem.MolFromMolBlock(damaged, sanitize=False, removeHs=False))
    path = write(tmp_path, damaged, v2000("ammonia", AMMONIA, y=2))
    with pytest.raises(DataError, match=r"record 1 \(water\): must be neutral, but has the charge"):
        read_sdf(path, ["y"], Cleaning())
    with pytest.raises(DataError, match=r"record 1 \(water\): cannot be: Pre-condition Violation"):
        read_sdf(path, ["y"], Cleaning(conformer="etkdg"))


def test_files_that_are_no_sdf(tmp_path: Path):
    cut = tmp_path / "cut.sdf"
    whole = v2000("water", WATER, y=1) + "$$$$\n" + v2000("ammonia", AMMONIA)
    cut.write_text(whole[: whole.rindex("M  END")])
    with pytest.raises(DataError, match="the last record lacks its M  END"):
        read_sdf(cut, ["y"], Cleaning())
    cut.write_text("\n")
    with pytest.raises(DataError, match="there must be molecules"):
        read_sdf(cut, ["y"], Cleaning())


def test_the_same_positions_are_one_molecule_and_others_a_conformer(tmp_path: Path):
    moved: Atoms = [(symbol, x + 1, y, z) for symbol, x, y, z in WATER]
    bent: Atoms = [*WATER[:2], ("H", 0, -0.70, -0.55)]
    records = [v2000(str(n), atoms, y=n) for n, atoms in enumerate([AMMONIA, WATER, moved])]
    with pytest.raises(DataError, match=r"record 3 \(2\): is the same molecule as record 2"):
        read_sdf(write(tmp_path, *records), ["y"], Cleaning())
    records[2] = v2000("bent", bent, y=2)
    molecules = read_sdf(write(tmp_path, *records), ["y"], Cleaning())
    assert molecules.copies.tolist() == [0, 1, 1]
    trajectory = read_sdf(write(tmp_path, *records[1:]), ["y"], Cleaning())
    assert trajectory.copies is None


def test_conformers_are_made_once_and_the_same_every_time(tmp_path: Path):
    table = tmp_path / "own.csv"
    texts = [f"{'C' * n}O" for n in range(1, 9)]
    table.write_text("\n".join(["smiles,y", *(f"{t},{n}" for n, t in enumerate(texts))]))
    plan = DataPlan(target="y", n_train=4, n_val=2, conformer="etkdg")
    data = load_task(f"file:{table}", plan, 0, 5.0, tmp_path)
    assert isinstance(data, MoleculeData) and data.task.geometry
    (told,) = data.store.remarks
    assert told.startswith("ETKDGv3 and MMFF94 of RDKit made the positions of all 8 molecules")
    batch = data.store.batch([0])
    length = (batch.pos[0] - batch.pos[1]).norm()
    assert batch.z.tolist()[:2] == [6, 8] and length == pytest.approx(1.42, abs=0.03)
    again = load_task(f"file:{table}", plan, 0, 5.0, tmp_path / "other")
    assert np.array_equal(again.store.pos, data.store.pos)


def test_a_drawing_gets_its_hydrogens_and_a_conformer(tmp_path: Path):
    path = write(tmp_path, v2000("paper", FLAT, y=1), v2000("water", WATER, y=1))
    molecules = read_sdf(path, ["y"], Cleaning(conformer="etkdg"))
    assert molecules.n_atoms.tolist() == [6, 3]
    assert np.ptp(molecules.pos[:6], axis=0).min() > 0.5


def test_a_field_of_two_lines_is_no_number_and_an_unknown_field_names_the_others(tmp_path: Path):
    path = write(tmp_path, v2000("water", WATER, y="1\n2", z=1), v2000("b", AMMONIA, y=1, z=2))
    with pytest.raises(DataError, match=r"record 1 .*y must be .* but there is '1.n2'"):
        read_sdf(path, ["y"], Cleaning())
    with pytest.raises(DataError, match="no record has the data field gap; there are y, z"):
        read_sdf(path, ["gap"], Cleaning())
    close = v2000("water", WATER, y=1, z=3).rstrip("\n") + "\n"  # No empty line behind a field.
    assert read_sdf(write(tmp_path, close), ["z"], Cleaning()).targets["z"].tolist() == [3]

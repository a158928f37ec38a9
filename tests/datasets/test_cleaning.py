"""Tables in the style of MoleculeNet; all lines here are made up."""

from pathlib import Path

import numpy as np
import pytest

from lkm_tune.datasets import DataError, MoleculeData, load_task
from lkm_tune.datasets.describe import describe
from lkm_tune.study import DataPlan

CHAINS = [f"{'C' * length}O" for length in range(3, 23)]
# One line for each kind of entry that networks cannot use.
ODD = {
    "C1CC": "no SMILES",
    "CC(=O)[O-].[Na+]": "several fragments",
    "C[NH3+]": "charged",
    "*CC": "an atom of no element",
}


def load(tmp_path: Path, lines: list[str], **plan: object) -> MoleculeData:
    path = tmp_path / "own.csv"
    path.write_text("\n".join(["smiles,y,z", *lines]) + "\n")
    sizes = {"n_train": 8, "n_val": 4, **plan}
    data = load_task(
        f"file:{path}", DataPlan(rare_elements="train", target="y", **sizes), 1, 5.0, tmp_path
    )
    assert isinstance(data, MoleculeData)
    return data


def numbered(texts: list[str], first: int = 0) -> list[str]:
    return [f"{text},{number}," for number, text in enumerate(texts, start=first)]


def test_skip_leaves_out_what_cannot_be_used_and_counts_each_reason(tmp_path: Path):
    lines = [*numbered(CHAINS), *numbered(list(ODD), 50), "CCCC,,1", "CCCCC,n/a,1"]
    with pytest.raises(DataError, match=r"line 22: 'C1CC' is no SMILES(.|\n)*data.invalid: skip"):
        load(tmp_path, lines)
    data = load(tmp_path, lines, invalid="skip")
    assert data.store.targets["y"].tolist() == list(range(20))
    first, missing = describe(data).remarks
    assert first.startswith("4 of 26 entries are left out (")
    assert all(f"1 {kind}" in first for kind in ODD.values())
    assert "line 22: 'C1CC' is no SMILES" in first and "line 25: '*CC'" in first
    assert missing.startswith("2 of 26 entries are left out, since they have no value (no y)")


def test_more_than_a_fifth_is_left_out_only_by_request(tmp_path: Path):
    lines = [*numbered(CHAINS[:12]), *numbered(list(ODD))]
    with pytest.raises(
        DataError, match=r"at most the fraction 0\.2 .*but 4 of 16 entries are unusable"
    ):
        load(tmp_path, lines, invalid="skip")
    assert len(load(tmp_path, lines, invalid="skip", max_skipped=0.25, n_train=6).store) == 12
    # A missing label is no fault of the file.
    sparse = [*numbered(CHAINS), *(f"{'N' + text},,1" for text in CHAINS)]
    assert len(load(tmp_path, sparse, invalid="skip").store) == 20


@pytest.mark.parametrize(
    ("line", "plan", "atoms", "remark"),
    [
        ("CC(=O)O.Cl", {"fragments": "largest"}, 8, "1 entry has smaller fragments: dropped"),
        ("CC(=O)O.Cl", {"fragments": "keep"}, 10, None),
        ("[NH4+]", {"charged": "neutralise"}, 4, "1 entry has charges: neutralised"),
        ("[NH4+]", {"charged": "keep"}, 5, None),
        (
            "CC(=O)[O-].[Na+]",
            {"fragments": "largest", "charged": "neutralise"},
            8,
            "1 entry has charges: neutralised",
        ),
        ("[13CH3][CH3:7]", {}, 8, "1 entry has isotopes: dropped"),
    ],
)
def test_salts_charges_and_labels(
    tmp_path: Path, line: str, plan: dict[str, str], atoms: int, remark: str | None
):
    data = load(tmp_path, [f"{line},7,", *numbered(CHAINS)], **plan)
    assert np.diff(data.store.atom_offsets)[0] == atoms and data.store.targets["y"][0] == 7
    told = data.store.remarks
    assert any(text.startswith(remark) for text in told) if remark else told == ()


def test_a_charge_that_cannot_be_taken_away_stays_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"line 2: .* must be neutral, but has the charge \+1"):
        load(tmp_path, ["C[N+](C)(C)C,1,", *numbered(CHAINS)], charged="neutralise")


SAME = {
    "plain": ["CCO", "OCC"],
    "maps": ["C[c:1]1ccccc1", "C[c:2]1ccccc1", "Cc1ccccc1"],
    "isotopes": ["O", "[2H]O[2H]", "[18OH2]"],
    "stereo": ["C[C@H](O)CC", "CC[C@H](C)O"],
    "charges that no network sees": ["[Na+]", "[Na]"],
}


@pytest.mark.parametrize("texts", SAME.values(), ids=SAME)
def test_what_a_network_cannot_tell_apart_is_one_molecule(tmp_path: Path, texts: list[str]):
    lines = [*numbered(texts, 100), *numbered(CHAINS[1:])]
    keep = {"charged": "keep"}
    with pytest.raises(DataError, match=r"line 3: .* is the same molecule as line 2\n"):
        load(tmp_path, lines, **keep)
    for repeated, value in (("first", 100.0), ("mean", 100 + (len(texts) - 1) / 2)):
        data = load(tmp_path, lines, repeated=repeated, **keep)
        assert len(data.store) == 20 and data.store.targets["y"][0] == value
        assert any(
            f"{len(texts) - 1} entries repeat one of 1" in told for told in data.store.remarks
        )


def test_every_error_is_told_at_once(tmp_path: Path):
    with pytest.raises(DataError) as error:
        load(tmp_path, ["CCO,1,", "OCC,2,", "X,3,"])
    text = str(error.value)
    assert "line 3: 'OCC' is the same" in text and "line 4: 'X'" in text
    assert "data.invalid: skip" in text and "data.repeated: first or mean" in text


STEREO = [["C[C@H](O)CC", "C[C@@H](O)CC", "CC(O)CC"], ["C/C=C/C", "C/C=C\\C"]]


@pytest.mark.parametrize("split", ["random", "scaffold"])
def test_stereoisomers_stay_in_one_part(tmp_path: Path, split: str):
    rings = [f"C1{'C' * length}C1" for length in range(1, 20)] if split == "scaffold" else []
    lines = numbered([*STEREO[0], *STEREO[1], *CHAINS[2:], *rings])
    for seed in range(8):
        path = tmp_path / "own.csv"
        path.write_text("\n".join(["smiles,y,z", *lines]) + "\n")
        plan = DataPlan(rare_elements="tell", target="y", n_train=8, n_val=4, split=split)
        data = load_task(f"file:{path}", plan, seed, 5.0, tmp_path)
        assert isinstance(data, MoleculeData)
        sizes = [len(data.split.part(part)) for part in ("train", "val", "test")]
        assert sizes[:2] == [8, 4]
        parts = [
            set(data.store.copies[data.split.part(p)].tolist()) for p in ("train", "val", "test")
        ]
        assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
        assert sum(sizes) == len(lines)
    (told,) = data.store.remarks
    assert told.startswith("5 molecules are stereoisomers or conformers")
    assert "in 2 groups" in told and "y by up to 2" in told


def test_maps_do_not_make_scaffolds(tmp_path: Path):
    lines = numbered([f"{'C' * n}[c:{m}]1ccccc1" for n in range(1, 6) for m in range(1, 13)])
    with pytest.raises(DataError, match="and 45 more"):
        load(tmp_path, lines, split="scaffold")
    with pytest.raises(ValueError, match="is impossible if each group of molecules"):
        load(tmp_path, lines, split="scaffold", repeated="mean", n_train=2, n_val=1)


def test_no_conformer_tells_the_places_of_fragments(tmp_path: Path):
    lines = numbered([*CHAINS, "CC(=O)O.Cl"])
    plan = {"conformer": "etkdg", "fragments": "keep"}
    with pytest.raises(DataError, match=r"line 22: .* has 2 fragments.*data.fragments: largest"):
        load(tmp_path, lines, **plan)
    assert len(load(tmp_path, lines, invalid="skip", **plan).store) == 20

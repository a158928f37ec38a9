import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lkm_tune.datasets import DataError
from lkm_tune.datasets.smiles import read_smiles
from lkm_tune.datasets.table import decoded, parse_table

PLAIN = "name,smiles,y\nwater,O,1\nethanol,CCO,-2.5e-1\n"
Change = Callable[[str], bytes]

AS_WRITTEN: dict[str, Change] = {
    "plain": str.encode,
    "Windows line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "old Macintosh line ends": lambda text: text.replace("\n", "\r").encode(),
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "Unicode text of a spreadsheet": lambda text: text.replace(",", "\t").encode("utf-16"),
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "bars": lambda text: text.replace(",", "|").encode(),
    "quotes": lambda text: "\n".join(
        ",".join(f'"{field}"' for field in line.split(",")) for line in text.splitlines()
    ).encode(),
    "spaces": lambda text: text.replace(",", " , ").encode(),
    "Latin-1 in another column": lambda text: text.replace("water", "Grün").encode("latin-1"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "blank lines around": lambda text: f"\n{text}\n,,\n\n".encode(),
    "blank lines between": lambda text: text.replace("\n", "\n\n").encode(),
    "bzip2": lambda text: bz2.compress(text.encode()),
    "xz": lambda text: lzma.compress(text.encode()),
    "no last line end": lambda text: text.rstrip().encode(),
    "a comma in a quoted name": lambda text: text.replace("water", '"oxidane, or\nwater"').encode(),
}


@pytest.mark.parametrize("change", AS_WRITTEN.values(), ids=AS_WRITTEN)
def test_a_table_reads_the_same_however_a_program_wrote_it(tmp_path: Path, change: Change):
    path = tmp_path / "own.csv"
    path.write_bytes(change(PLAIN))
    molecules = read_smiles(path, ["y"])
    assert molecules.n_atoms.tolist() == [3, 9]
    assert molecules.targets["y"].tolist() == [1, -0.25]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("smiles,y,y\nC,1,100\n", "y occurs 2 times"),
        ("smiles,smiles,y\nC,CC,100\n", "smiles occurs 2 times"),
        ('smiles,y\n"C,1\nCC,2\n', "is not a readable table: .* line 2"),
        ("smiles;logS\nC;1\n", "lacks the columns y; it has smiles, logS"),
        ("smiles;y\nC;1,5\n", "line 2: y must be a finite number, but there is '1,5'"),
        ("smiles,y,weight\nC,1,1\nCC,2,0.5\n", "the column weight has 0.5 and 1: take it out"),
        ("smiles,y,Sample_Weight\nC,1,\nCC,2,1\n", "the column Sample_Weight has nothing and 1"),
        ("smiles,y\nC,1_000\n", "line 2: y must be a finite number, but there is '1_000'"),
    ],
)
def test_what_may_be_read_in_two_ways_is_refused(tmp_path: Path, text: str, rule: str):
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=rule):
        read_smiles(path, ["y"])


def test_weights_that_are_equal_change_nothing_and_a_weight_may_be_learnt(tmp_path: Path):
    path = tmp_path / "own.csv"
    path.write_text("smiles,weight,y\nC,16,1\nCC,30,2\n")
    assert read_smiles(path, ["weight"]).targets["weight"].tolist() == [16, 30]
    path.write_text("smiles,weights,mol_weight,y\nC,1,16,1\nCC,1,30,2\n")
    assert read_smiles(path, ["y"]).targets["y"].tolist() == [1, 2]


def test_an_empty_line_is_an_entry_where_smiles_are_all_there_is():
    table = parse_table("smiles\nC\n\nCC\n", "own.csv", ["smiles"])
    assert table.rows == (("C",), ("",), ("CC",)) and table.lines == (2, 3, 4)


def test_another_column_may_stand_twice_and_lines_are_those_of_an_editor(tmp_path: Path):
    path = tmp_path / "own.csv"
    path.write_text('note,note,smiles,y\n"two\nlines",,C,1\n,,X,2\n')
    with pytest.raises(DataError, match="\n  line 4: 'X' is no SMILES"):
        read_smiles(path, ["y"])


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8)


@given(
    rows=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=5),
    separator=st.sampled_from(",;\t|"),
    ends=st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_is_quoted_is_read_back(
    rows: list[tuple[str, str, str]], separator: str, ends: str
):
    rows = [(a, "C", c) for a, _, c in rows]
    lines = [("smiles x", "smiles", "y"), *rows]
    quoted = (separator.join('"' + f.replace('"', '""') + '"' for f in line) for line in lines)
    text = decoded(ends.join(quoted).encode(), "own.csv")
    table = parse_table(text, "own.csv", ["smiles", "y"])
    same = [c.replace("\r\n", "\n").replace("\r", "\n").strip() for _, _, c in rows]
    assert list(table.column("y")) == same
    assert set(table.column("smiles")) == {"C"} and not table.too_long


@given(st.binary(max_size=60) | st.text(',;\t"\n\r smileyC1.', max_size=60).map(str.encode))
def test_whatever_is_refused_is_refused_by_a_rule(content: bytes):
    try:
        table = parse_table(decoded(content, "own.csv"), "own.csv", ["smiles"])
    except DataError as error:
        assert str(error).startswith("own.csv: ")
    else:
        assert len(table.lines) == len(table.rows) == len(table.column("smiles")) > 0
        assert list(table.lines) == sorted(set(table.lines))

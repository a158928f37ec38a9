"""docs/findings.md quotes the answers of the kept tables of runs, so that anyone can check them."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

from lkm_tune.app import make_report
from lkm_tune.transfer.fit.prediction_costs import prediction_summary
from lkm_tune.transfer.fit.verdict import DOES_NOT, NOTHING, TRANSFERS, UNDECIDED
from lkm_tune.transfer.report.matrix import counts
from lkm_tune.transfer.wording import estimate

DOCS = Path(__file__).parents[2] / "docs"
TABLES = sorted((DOCS / "evidence").glob("*.csv.gz"))
SECTIONS = dict(
    re.findall(
        r"^## `?(\w+)`?\n(.*?)(?=^## )",
        (DOCS / "findings.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
)
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.name)
def test_the_findings_are_those_of_the_table(table):
    section = SECTIONS[name_of(table)]
    answer = report_of(table).summary["by_margin"]["0.02"]
    rows = [" | ".join(fields).rstrip("| ") for fields in answer["lines"]]
    assert same(rows_of(section), rows)
    assert same(re.findall(r"“(.*?)”", " ".join(section.split()))[:1], [answer["all"]])


def test_the_costs_of_predictions_are_those_of_the_tables():
    """A row for each study, and one for all studies whose γ include the paper's."""
    found = {f"`{name_of(table)}`": predictions_of(table) for table in TABLES}
    whole = [rows for rows in found.values() if rows["regret_paper"].notna().all()]
    found["all with γ = 0.02"] = pd.concat(whole)
    quoted = rows_of(SECTIONS["Prediction"])
    names = [row.partition(" | ")[0].partition(",")[0] for row in quoted]
    assert sorted(names) == sorted(found)
    known = [costs(found[name]) for name in names]
    assert same([row.partition(" | ")[2] for row in quoted], known)


def test_the_counts_are_those_of_the_tables():
    """The number of cells of molecules that exclude a gain, and the verdicts of all pairs."""
    text = " ".join((DOCS / "findings.md").read_text(encoding="utf-8").split())
    optima = pd.concat(report_of(table).optima for table in TABLES)
    molecules = optima[optima["task"] != "cora"]
    excluding = (molecules["largest_gain"] <= 0.02).sum()
    assert f"of {len(molecules)} cells, {excluding} exclude a gain above 2 %" in text
    assert f"the other {len(molecules) - excluding} show none" in text
    found = sum((Counter(counts(report_of(table).pairs, 0.02)) for table in TABLES), Counter())
    assert found[DOES_NOT] == 0
    assert (
        f"of {found.total()} ordered pairs of cells in {len(TABLES)} studies,"
        f" {found[TRANSFERS]} transfer, {found[NOTHING]} have nothing to transfer,"
        f" none is shown to fail, and {found[UNDECIDED]} are open" in text
    )


def predictions_of(table):
    """The predictions of each cell from all other cells of its study."""
    predictions = report_of(table).predictions
    return predictions[predictions["left_out"] == "cell"]


def costs(predictions):
    """The number of cells, and the mean regret of each way to choose γ with its interval."""
    ways = prediction_summary(predictions)
    texts = [
        estimate(way.regret, way.low, way.high) if way.regret == way.regret else "–"
        for way in ways.itertuples()
    ]
    return " | ".join([str(ways["n"][0]), *texts])


@cache
def report_of(table):
    with TemporaryDirectory() as folder:
        return make_report(Path(folder), from_table=str(table))[0]


def name_of(table):
    return table.name.partition(".")[0]


def rows_of(section):
    """The rows of the table in a section, without its head."""
    return [line.strip("| ") for line in section.splitlines() if line.startswith("| ")][1:]


def same(quoted, answers):
    """Whether texts have the words of answers, and their numbers up to a last digit.

    Processors round differently, so a number may be rounded to another last digit.
    """
    answers = [answer.replace("\N{NO-BREAK SPACE}", " ") for answer in answers]
    assert [NUMBER.sub("#", text) for text in quoted] == [NUMBER.sub("#", a) for a in answers]
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in [*quoted, *answers]]
    near = [pytest.approx(known, rel=0.05, abs=0.11) for known in numbers[len(quoted) :]]
    return numbers[: len(quoted)] == near


def test_every_section_has_its_table():
    assert [name_of(table) for table in TABLES] == sorted(set(SECTIONS) - {"Prediction"})

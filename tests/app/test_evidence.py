"""docs/findings.md quotes the answers of the kept tables of runs, so that anyone can check them."""

import re
from pathlib import Path

import pytest

from lkm_tune.app import make_report

DOCS = Path(__file__).parents[2] / "docs"
TABLES = sorted((DOCS / "evidence").glob("*.csv.gz"))
SECTIONS = dict(
    re.findall(
        r"^## `(\w+)`\n(.*?)(?=^## )",
        (DOCS / "findings.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
)
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.name)
def test_the_findings_are_those_of_the_table(tmp_path, table):
    report, _ = make_report(tmp_path, from_table=str(table))
    section = SECTIONS[table.name.partition(".")[0]]
    answer = report.summary["by_margin"]["0.02"]
    rows = [" | ".join(fields).rstrip("| ") for fields in answer["lines"]]
    quoted = [line.strip("| ") for line in section.splitlines() if line.startswith("| ")][1:]
    assert same(quoted, rows)
    assert same(re.findall(r"“(.*?)”", " ".join(section.split()))[:1], [answer["all"]])


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
    assert [table.name.partition(".")[0] for table in TABLES] == sorted(SECTIONS)

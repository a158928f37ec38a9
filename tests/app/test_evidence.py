"""docs/findings.md quotes the answers of the kept tables of runs, so that anyone can check them."""

import re
from pathlib import Path

import pytest

from lkm_tune.app import make_report

DOCS = Path(__file__).parents[2] / "docs"
TABLES = sorted((DOCS / "evidence").glob("*.csv.gz"))
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.name)
def test_the_findings_are_those_of_the_table(tmp_path, table):
    report, _ = make_report(tmp_path, from_table=table)
    text = " ".join((DOCS / "findings.md").read_text(encoding="utf-8").split())
    answer = report.summary["by_margin"]["0.02"]
    for answered in [*(" | ".join(fields) for _, *fields in answer["lines"]), answer["all"]]:
        assert quoted(answered.replace("\N{NO-BREAK SPACE}", " "), text), answered


def quoted(answer, text):
    """Whether the text has the words of an answer, and almost its numbers.

    Processors round differently, so the best of two almost equal γ may differ between machines.
    """
    numbers = [float(number) for number in NUMBER.findall(answer)]
    words = "(\\d+(?:\\.\\d+)?)".join(map(re.escape, NUMBER.split(answer)))
    return any(
        [float(number) for number in found.groups()] == pytest.approx(numbers, rel=0.2, abs=0.15)
        for found in re.finditer(words, text)
    )


def test_there_is_evidence():
    assert [table.name.partition(".")[0] for table in TABLES] == [
        "conv_nets_small", "depth_small", "paper_gamma_small", "variants_small",
    ]  # fmt: skip

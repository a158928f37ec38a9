"""docs/findings.md quotes the answers of the kept tables of runs, so that anyone can check them."""

from pathlib import Path

import pytest

from lkm_tune.app import make_report

DOCS = Path(__file__).parents[2] / "docs"
TABLES = sorted((DOCS / "evidence").glob("*.csv.gz"))


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.name)
def test_the_findings_are_those_of_the_table(tmp_path, table):
    report, _ = make_report(tmp_path, from_table=table)
    text = " ".join((DOCS / "findings.md").read_text(encoding="utf-8").split())
    answer = report.summary()["by_margin"]["0.02"]
    for _, *fields in answer["lines"]:
        assert " | ".join(fields).replace("\N{NO-BREAK SPACE}", " ") in text
    assert answer["all"].replace("\N{NO-BREAK SPACE}", " ") in text


def test_there_is_evidence():
    assert [table.name.partition(".")[0] for table in TABLES] == [
        "conv_nets_small", "depth_small", "paper_gamma_small", "variants_small",
    ]  # fmt: skip

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from lkm_tune.transfer import TransferReport, cell_sentence
from lkm_tune.transfer.report.write import write_report

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Tree(HTMLParser):
    """Text of a page, its ids and references, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data") and not (value or "").startswith("#"):
                self.outside.append(value)

    def handle_startendtag(self, tag, attrs) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def report(simulate, shapes) -> TransferReport:
    runs = simulate(
        {"<b>evil</b>": shapes["peak"](0.03, 0.1), "cliff": shapes["cliff"](0.01, 0.05)}
    ).assign(unit="meV", phase="curve", scale="l2, mean")
    bad = (runs["model"] == "cliff") & (runs["gamma"] == 1.0)
    runs.loc[bad, "status"] = "diverged"
    provenance = {"study_digest": "ab12", "versions": {"torch": "2.13.0"}}
    return TransferReport.from_runs(runs, provenance=provenance)


@pytest.fixture(scope="module")
def page(report, tmp_path_factory) -> str:
    return write_report(report, tmp_path_factory.mktemp("r"))["report.html"].read_text(
        encoding="utf-8"
    )


def test_page_is_well_formed_and_answers_first(page, report) -> None:
    tree = Tree()
    tree.feed(page)
    assert tree.open == []
    text = " ".join("".join(tree.text).split())
    for sentence in [cell_sentence(a) for a in report.answers] + [
        q.answer for q in report.questions
    ]:
        assert " ".join(sentence.split()) in text
    assert text.index("use γ = ") < text.index("Response curves")
    for part in ("ab12", "study digest", "torch: 2.13.0", "curve diverged: 4", "diverges"):
        assert part in text


def test_page_needs_nothing_from_outside(page) -> None:
    tree = Tree()
    tree.feed(page)
    assert tree.outside == []
    assert not {"script", "iframe", "img", "image", "link"} & set(tree.tags)
    assert not re.search(r"https?:|//\w+\.\w|@import|url\((?!#)", page)


def test_names_are_escaped_and_figures_drawn(page) -> None:
    assert "<b>evil" not in page
    assert page.count("<svg") == 3
    references = set(re.findall(r'(?:href="#|url\(#)([\w-]+)', page))
    assert references <= set(re.findall(r'id="([\w-]+)"', page))
    assert len(page) < 300_000


def test_page_is_the_same_every_time(report, page, tmp_path) -> None:
    assert write_report(report, tmp_path)["report.html"].read_text(encoding="utf-8") == page


def test_a_single_cell_without_control_or_seeds_still_gives_a_page(
    simulate, shapes, tmp_path
) -> None:
    runs: pd.DataFrame = simulate({"a": shapes["flat"]()}, seeds=1)
    report = TransferReport.from_runs(runs[runs["gamma"].isin([0.01, 0.1])])
    text = write_report(report, tmp_path)["report.html"].read_text(encoding="utf-8")
    assert "nothing to compare yet" in text
    assert np.isnan(report.answers[0].gain)
    assert not re.search(r"\bnan\b|None", text)


def test_many_cells_are_told_together_and_each_beside_its_curve(simulate, shapes, tmp_path) -> None:
    few = simulate({name: shapes["peak"](0.03, 0.1) for name in "abcdefgh"}, seeds=2)
    last = simulate({"z": shapes["flat"]()}, seeds=2)
    texts = []
    for runs in (few, pd.concat([few, last])):
        report = TransferReport.from_runs(runs)
        tree = Tree()
        tree.feed(write_report(report, tmp_path)["report.html"].read_text(encoding="utf-8"))
        texts.append(" ".join("".join(tree.text).split()))
        for answer in report.answers:
            assert texts[-1].count(" ".join(cell_sentence(answer).split())) == 1
    assert "A gain over γ = 0 is shown in" not in texts[0]
    told = texts[1].index("Of 9 cells, ")
    assert (
        told
        < texts[1].index("Response curves")
        < texts[1].index("a on qm9/homo (depth 4, 300 samples): undecided")
    )
    # Each has two seeds only, which is said of as many as fit.
    assert texts[0].count("only two seeds") == 8


def test_long_lists_are_cut_and_say_so(simulate, shapes, tmp_path) -> None:
    runs = simulate({f"m{i:02d}": shapes["flat"]() for i in range(25)}, seeds=1)
    text = write_report(TransferReport.from_runs(runs), tmp_path)["report.html"].read_text(
        encoding="utf-8"
    )
    assert "and 5 more, which are in transfer.json." in text
    assert "m19 on qm9/homo (depth 4, 300 samples): only one seed" in text
    assert "m20 on qm9/homo (depth 4, 300 samples): only one seed" not in text
    # The signs of a matrix of so many cells are others than those in the table of verdicts.
    assert "<li>● transfers</li><li>× does not transfer</li>" in text

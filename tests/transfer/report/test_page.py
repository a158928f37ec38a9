import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from lkm_tune.printable import printable
from lkm_tune.transfer import TransferReport
from lkm_tune.transfer.report.sentences import decision_sentence, detail_sentences
from lkm_tune.transfer.report.write import write_report

EVIL = "<b>evil\x1b[31m\n</b>"
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
    runs = simulate({EVIL: shapes["peak"](0.03, 0.1), "cliff": shapes["cliff"](0.01, 0.05)}).assign(
        unit="m\x00eV", phase="curve", scale="l2, mean"
    )
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
    for answer in report.answers:
        for sentence in (decision_sentence(answer), *detail_sentences(answer)):
            assert " ".join(sentence.split()) in text
    assert text.index("Use γ = ") < text.index("Error by γ") < text.index("work in another?")
    for part in ("ab12", "study digest", "torch: 2.13.0", "curve diverged: 4", "diverges"):
        assert part in text


def test_page_needs_nothing_from_outside(page) -> None:
    tree = Tree()
    tree.feed(page)
    assert tree.outside == []
    assert not {"iframe", "img", "image", "link"} & set(tree.tags)
    assert not re.search(r"https?:|//\w+\.\w|@import|url\((?!#)", page)


def test_names_are_escaped_and_figures_drawn(page) -> None:
    assert "<b>evil" not in page
    assert page.count("<svg") == 2
    references = set(re.findall(r'(?:href="#|url\(#)([\w-]+)', page))
    assert references <= set(re.findall(r'id="([\w-]+)"', page))
    assert len(page) < 300_000


def test_control_characters_of_names_reach_no_file(report, tmp_path) -> None:
    # `ElementTree` refuses a figure that is no XML.
    sheet = ElementTree.parse(write_report(report, tmp_path)["curves.svg"]).getroot()
    titles = [text.text for text in sheet.findall("{http://www.w3.org/2000/svg}text")]
    assert titles == [r"<b>evil\x1b[31m\n</b>", "cliff"]
    assert r"m\x00eV" in (tmp_path / "curves.svg").read_text(encoding="utf-8")
    for name in ("report.html", "transfer.json", "curves.svg"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert all(c == "\n" or printable(c) == c for c in text)
    assert all(map(str.isprintable, report.summary["by_margin"]["0.02"]["all"].split()))


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


def test_every_cell_has_a_card_and_nothing_unknown_is_printed(simulate, shapes, tmp_path) -> None:
    curves = {name: shapes["peak"](0.03, 0.1) for name in "abcdefgh"}
    curves |= {"flat": shapes["flat"](), "harm": shapes["peak"](0.03, -0.2, 3.0)}
    for seeds in (1, 2, 4):
        report = TransferReport.from_runs(simulate(curves, seeds=seeds, noise=0.02))
        text = write_report(report, tmp_path)["report.html"].read_text(encoding="utf-8")
        cards = re.findall(r'<div class="card[^>]*>\s*<h3>(?:<a [^>]*>)?([^<]*)', text)
        assert cards == ["All cells", *sorted(curves)]
        # Styles contain the word "none".
        body = text.partition("<body>")[2].partition("<script>")[0]
        assert not re.search(r"\bnan\b|None|\binf\b", body)
        assert not re.search(r"Use γ = \S+ −|gain[^.<]*−\d", body)
        # A remark on all cells appears once.
        assert text.count("only two seeds") == (seeds == 2)


GAMMAS = (0.01, 0.1, 1.0)


@pytest.mark.parametrize(("cells", "kind"), [(4, " few"), (15, " many"), (41, " many dots")])
def test_the_matrix_has_a_field_for_every_pair(simulate, shapes, tmp_path, cells, kind) -> None:
    runs = simulate({f"m{i:02d}": shapes["flat"]() for i in range(cells)}, seeds=3, gammas=GAMMAS)
    report = TransferReport.from_runs(runs)
    text = write_report(report, tmp_path)["report.html"].read_text(encoding="utf-8")
    (matrix,) = re.findall(rf'<table class="matrix{kind}">.*?</table>', text, flags=re.S)
    assert matrix.count("<td") == cells**2
    assert ('title="γ = ' in matrix) == (cells < 41)


def test_long_lists_are_cut_and_say_so(simulate, shapes, tmp_path) -> None:
    gaps = simulate({f"m{i:02d}": shapes["flat"]() for i in range(25)}, seeds=3)
    # Different numbers of missing runs: a separate remark for each cell.
    number = gaps["model"].str.removeprefix("m").astype(int)
    row = gaps.groupby("model").cumcount()
    report = TransferReport.from_runs(gaps[row > number // 2])
    text = write_report(report, tmp_path)["report.html"].read_text(encoding="utf-8")
    assert len(report.warnings) <= 20
    cut = re.search(r"and (\d+) more, which are in transfer.json", text)
    assert (cut is not None) == (len(report.signs) > 20)

"""A page for one cell, such as for its run in MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import escape

from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.report.palette import STYLE
from lkm_tune.transfer.report.report import TransferReport
from lkm_tune.transfer.report.sentences import cell_sentence

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>
<style>{style}body {{ color: var(--ink); background: var(--paper); font: 16px sans-serif;
max-width: 44em; margin: 1em }}</style></head>
<body><h1>{name}</h1><p>{sentence}</p>{figure}</body></html>
"""


@dataclass(frozen=True)
class CellPage:
    """The answer of one cell.

    Attributes:
        key: the cell.
        sentence: its best γ in words.
        html: the page, which needs no network and no script.
    """

    key: CellKey
    sentence: str
    html: str


def cell_pages(report: TransferReport) -> Iterator[CellPage]:
    """The page of every cell: its answer in words and its error curve."""
    for answer in report.answers:
        figure, sentence = report.figures[answer.key], cell_sentence(answer)
        html = _PAGE.format(
            style=STYLE, name=escape(answer.name), sentence=escape(sentence), figure=figure
        )
        yield CellPage(answer.key, sentence, html)

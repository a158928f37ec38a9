"""The curves of all cells on one sheet, an SVG file for a paper, a talk or a README."""

from __future__ import annotations

from markupsafe import escape

from lkm_tune.transfer.report.axes import HEIGHT, WIDTH
from lkm_tune.transfer.report.names import short_names
from lkm_tune.transfer.report.palette import INK, PAPER, STYLE
from lkm_tune.transfer.report.report import TransferReport

MOST_CELLS = 12
"""A sheet of more cells is too small to read."""

_COLUMNS = 2
_TITLE, _GAP = 24.0, 12.0


def curve_sheet(report: TransferReport) -> str:
    """An SVG with the figures of the first `MOST_CELLS` cells, two in a row, each with its name."""
    answers = report.answers[:MOST_CELLS]
    names = short_names({answer.key: answer.name for answer in report.answers})
    parts = []
    for index, answer in enumerate(answers):
        x = _GAP + index % _COLUMNS * (WIDTH + _GAP)
        y = _GAP + index // _COLUMNS * (HEIGHT + _TITLE + _GAP)
        parts += [
            f'<text x="{x:g}" y="{y + 15:g}" font-weight="bold" fill="{INK}">'
            f"{escape(names[answer.key])}</text>",
            f'<svg x="{x:g}" y="{y + _TITLE:g}" width="{WIDTH:g}" height="{HEIGHT:g}"'
            + report.figures[answer.key].removeprefix("<svg"),
        ]
    columns, rows = min(len(answers), _COLUMNS), -(-len(answers) // _COLUMNS)
    width = _GAP + columns * (WIDTH + _GAP)
    height = _GAP + rows * (HEIGHT + _TITLE + _GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" font-family="sans-serif" font-size="15">'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="{PAPER}"/>'
        + "".join(parts)
        + "</svg>\n"
    )

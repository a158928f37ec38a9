"""The page of one cell."""

from lkm_tune.transfer import TransferReport, cell_sentence
from lkm_tune.transfer.report.cell_page import cell_pages


def test_every_cell_has_its_own_answer_and_figure(simulate, shapes) -> None:
    runs = simulate({"<b>evil</b>": shapes["peak"](0.03, 0.1), "flat": shapes["flat"]()})
    report = TransferReport.from_runs(runs)
    pages = {page.key.model: page for page in cell_pages(report)}
    assert pages.keys() == {"<b>evil</b>", "flat"}
    for answer in report.answers:
        page = pages[answer.model]
        assert page.sentence == cell_sentence(answer)
        assert page.html.count("<svg") == page.html.count("</svg>") == 1
        assert "<b>" not in page.html
    assert "&lt;b&gt;evil&lt;/b&gt; on qm9/homo" in pages["<b>evil</b>"].html
    assert pages["flat"].sentence in pages["flat"].html
    assert pages["flat"].sentence not in pages["<b>evil</b>"].html

"""Answers as sentences, word for word."""

import math
from dataclasses import replace

import pytest

from lkm_tune.transfer.fit.answer import (
    LEAVE_OFF,
    NOT_NEEDED,
    PREDICTED,
    UNDECIDED,
    USE,
    CellAnswer,
)
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.shared_gamma import SharedGamma
from lkm_tune.transfer.report.remarks import once
from lkm_tune.transfer.report.sentences import (
    cell_line,
    cell_sentence,
    decision_sentence,
    detail_sentences,
)
from lkm_tune.transfer.report.study_sentences import (
    coarse_sentence,
    harm_sentence,
    paper_sentence,
    shared_sentence,
)

NAME = "pamnet on qm9/homo (depth 4, 300 samples)"


def answer(recommended: float, decision: str, **known: object) -> CellAnswer:
    known = {"seeds": 5, "studies": ("demo",), **known}
    return CellAnswer("pamnet", "qm9/homo", 4, 300, "", NAME, recommended, decision, **known)


USED = answer(0.02, USE, gain=0.041, gain_low=0.012, gain_high=0.068, bound=0.0101)
OFF = answer(0.0, LEAVE_OFF, gain=0.0, gain_low=0.0, gain_high=0.0, largest_gain=0.0689, bound=0.02)
OPEN = answer(
    0.01, UNDECIDED, gain=-0.001, gain_low=-0.045, gain_high=0.069, open_low=0.0, open_high=0.1,
    bound=0.03,
)  # fmt: skip
NEEDLESS = replace(OPEN, decision=NOT_NEEDED, largest_gain=0.0181)
HARMED = replace(
    OFF, margin=0.05, harm_start=1.0, range_high=100.0, harm=0.24, harm_low=0.2, harm_high=0.291
)

DECISIONS = [
    (USED, "Use γ = 0.02: 4.1 % lower error than without mixing (1.2 to 6.8 %)."),
    (OFF, "Leave mixing off: no γ was shown to help; a gain above 6.9 % is excluded."),
    (
        NEEDLESS,
        "Mixing is not needed: no γ was shown to help; a gain above 1.9 % is excluded. Lowest"
        " expected error at γ = 0.01.",
    ),
    (
        OPEN,
        "Undecided between 0 and 0.1; lowest expected error at 0.01, at most 3.0 % above the best.",
    ),
    (
        replace(OPEN, bound=math.inf),
        "Undecided between 0 and 0.1; lowest expected error at 0.01, its distance from the best is"
        " unknown.",
    ),
    (
        replace(OPEN, gain=math.nan, open_low=0.01),
        "It is unknown whether mixing helps, because no run has γ = 0. Among the other γ the lowest"
        " expected error is at 0.01, at most 3.0 % above the best.",
    ),
    (
        replace(OPEN, seeds=2),
        "Undecided, since a decision needs three seeds; lowest expected error at γ = 0.01, at most"
        " 3.0 % above the best.",
    ),
    (
        replace(OFF, of_mean=1.0),
        "Leave mixing off: no γ was shown to help; a gain above 6.9 % is excluded. But the network"
        " learnt nothing: its error at γ = 0 is 100 % of that of predicting the mean, so this holds"
        " for no network that learns.",
    ),
    (
        replace(OPEN, seeds=1),
        "Undecided: of the γ measured with one seed, 0.01 has the lowest error, but one seed cannot"
        " show whether this is chance. Add seeds.",
    ),
    (
        replace(OPEN, seeds=0),
        "No answer, because no seed ran at more than one γ. Repeat the same seeds at every γ.",
    ),
    (
        answer(0.03, PREDICTED, seeds=0),
        "Start with γ = 0.03: a prediction, since this cell was never searched.",
    ),
]


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(("known", "sentence"), DECISIONS)
def test_a_decision_in_one_sentence(known, sentence):
    assert plain(decision_sentence(known)) == sentence


@pytest.mark.parametrize(
    ("known", "line"),
    [
        (USED, ("use γ = 0.02", "4.1 % (1.2 to 6.8 %)", "more than 1.1 % above the best")),
        (OFF, ("leave mixing off", "none shown", "a gain above 6.9 %")),
        (NEEDLESS, ("mixing not needed, best guess 0.01", "none shown", "a gain above 1.9 %")),
        (
            OPEN,
            ("undecided: 0 to 0.1, best guess 0.01", "none shown",
             "more than 3.0 % above the best"),
        ),
        (replace(OPEN, bound=math.inf), (
            "undecided: 0 to 0.1, best guess 0.01", "none shown", "nothing",
        )),
        (replace(OPEN, seeds=1), ("undecided", "not known: one seed", "")),
        (
            replace(OPEN, seeds=2),
            ("undecided, best guess 0.01", "not known: two seeds",
             "more than 3.0 % above the best"),
        ),
        (replace(OFF, largest_gain=math.nan), ("leave mixing off", "none shown", "nothing")),
        (
            replace(OFF, of_mean=1.2),
            ("leave mixing off; nothing learnt", "none shown", "a gain above 6.9 %"),
        ),
        (
            answer(0.03, PREDICTED, expected_regret=0.012),
            ("start with γ = 0.03", "never searched", ""),
        ),
    ],
)  # fmt: skip
def test_a_decision_in_the_fields_of_a_table(known, line):
    assert tuple(map(plain, cell_line(known))) == line


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (USED, "γ = 0.02 is at most 1.1 % above the best."),
        (
            replace(USED, gain_own_control=0.02, gain_own_control_low=-0.01,
                    gain_own_control_high=0.05),
            "Against γ = 0 at its own best settings the error is 2.0 % lower (−1.0 to 5.0 %).",
        ),
        (
            replace(USED, gain_own_control=-0.02, gain_own_control_low=-0.05,
                    gain_own_control_high=0.01),
            "γ = 0 at its own best settings has a lower error: mixing costs 2.0 % (−1.0 to 5.0 %)"
            " against it.",
        ),
        (
            replace(USED, at_edge=True, gamma_best=1.0, range_high=1.0),
            "The lowest error at γ > 0 is at the upper end of the measured range, so a better γ may"
            " lie beyond it.",
        ),
        (
            replace(USED, at_edge=True, gamma_best=1e-3, range_high=1.0, diverges_below=1e-4),
            "The lowest error at γ > 0 is at the lower end of the usable range: training diverges"
            " at γ = 0.0001.",
        ),
        (
            replace(USED, paper_regret=0.01, paper_regret_low=0.0, paper_regret_high=0.03),
            "The published γ = 0.02 costs 1.0 % (0.0 to 3.0 %).",
        ),
    ],
)  # fmt: skip
def test_what_else_is_known_of_a_cell(known, sentence):
    details = list(map(plain, detail_sentences(known)))
    assert details[0] == "This rests on 5 seeds."
    assert sentence in details


def test_a_cell_with_its_name():
    assert plain(cell_sentence(OFF)) == (
        f"{NAME}: leave mixing off: no γ was shown to help; a gain above 6.9 % is excluded. This"
        " rests on 5 seeds."
    )


def test_no_negative_gain_is_ever_told():
    """Undecided cells may have a negative estimate of the gain, which no sentence shows."""
    for known, _ in DECISIONS:
        assert "−" not in cell_sentence(known) + "".join(cell_line(known))


CELL = CellKey("gin", "qm9/mu", 4, 300)
SHARED = SharedGamma(gamma=0.01, bound=0.0195, worst=CELL, cells=4, seeds=3)


@pytest.mark.parametrize(
    ("shared", "cells", "sentence"),
    [
        (
            SHARED, 4,
            "γ = 0.01 is within 2 % of the best in all four cells: γ need not be searched here.",
        ),
        (
            replace(SHARED, gamma=0.0, cells=2), 2,
            "γ = 0 (no mixing) is within 2 % of the best in both cells: mixing need not be searched"
            " here.",
        ),
        (
            replace(SHARED, bound=0.0723), 5,
            "No single γ is shown to be within 2 % of the best in all four cells (one more with too"
            " few usable runs). γ = 0.01 comes closest: at most 7.3 % above the best (in gin,"
            " qm9/mu).",
        ),
        (
            replace(SHARED, seeds=2), 4,
            "No verdict yet on one γ for all four cells: a cell has two seeds. γ = 0.01 comes"
            " closest: at most 2.0 % above the best (in gin, qm9/mu).",
        ),
        (None, 0, "No cell has a finished curve, so there is nothing to compare yet."),
        (None, 1, "One cell has a finished curve, so there is nothing to compare yet."),
    ],
)  # fmt: skip
def test_one_gamma_for_all_cells(shared, cells, sentence):
    assert plain(shared_sentence(shared, [USED] * cells, 0.02, {CELL: "gin, qm9/mu"})) == sentence


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (
            replace(OPEN, seeds=1),
            "a verdict needs three seeds at the same γ in every cell, and fewer than two ran in"
            " here.",
        ),
        (
            replace(OPEN, diverged=(0.1, 1.0), range_low=0.01, bound=math.nan),
            "training diverges at so many γ that too few are left for a curve in here.",
        ),
        (OPEN, "a curve needs three usable γ above 0, the same in every cell."),
    ],
)
def test_why_it_is_unknown_whether_one_gamma_works(cell, reason):
    told = shared_sentence(None, [cell, replace(USED, model="gcn")], 0.02, NamesOfAll())
    assert told == f"It is unknown whether one γ works in all cells: {reason}"


class NamesOfAll(dict):
    def __missing__(self, key):
        return "here"


def test_coarse_steps_are_told_once():
    coarse = replace(USED, step=10.0)
    other = replace(USED, model="gcn", step=100.0)
    near = replace(USED, model="gin", step=3.2)
    names = {coarse.key: "pamnet", other.key: "gcn", near.key: "gin"}
    assert coarse_sentence([near], names) == ""
    assert coarse_sentence([coarse, near], names) == (
        "γ was measured in steps of a factor of 10 in pamnet: a narrower dip of the error stays"
        " unseen."
    )
    assert "of 10 to 100 in every cell: " in coarse_sentence([coarse, other], names)
    assert "unseen" not in "".join(detail_sentences(coarse))
    assert cell_sentence(coarse).endswith("a narrower dip of the error stays unseen.")


def test_where_strong_mixing_harms():
    other = replace(HARMED, model="gcn", harm_start=100.0, harm=0.12)
    names = {HARMED.key: "pamnet, qm9/homo", other.key: "gcn, qm9/homo"}
    assert plain(" ".join(detail_sentences(HARMED))).endswith(
        "From γ = 1 on mixing costs more than 5 %: 24.0 % (20.0 to 29.1 %) at γ = 100."
    )
    assert plain(" ".join(detail_sentences(other))).endswith(
        "γ = 100 costs 12.0 % (20.0 to 29.1 %) against no mixing."
    )
    assert harm_sentence([OFF], 0.05, names) == ""
    assert plain(harm_sentence([other, OFF, HARMED], 0.05, names)) == (
        "Mixing is shown to cost more than 5 % from γ = 1 on in pamnet, qm9/homo (24.0 % at"
        " γ = 100); from γ = 100 on in gcn, qm9/homo (12.0 % at γ = 100)."
    )


def test_what_the_published_gamma_costs():
    one = replace(USED, paper_regret=0.002, paper_regret_high=0.0111)
    two = replace(USED, paper_regret=0.013, paper_regret_high=0.034)
    assert plain(paper_sentence([OFF])) == ""
    assert plain(paper_sentence([one])) == (
        "The published γ = 0.02 costs 0.2 %; more than 1.2 % is excluded."
    )
    assert plain(paper_sentence([one, two, OFF])) == (
        "The published γ = 0.02 costs 0.2 to 1.3 %; more than 3.4 % is excluded in every cell."
    )


def test_a_remark_is_made_once():
    names = ["a", "b", "c"]
    few = [f"{name}: only two seeds." for name in names]
    assert once(names, [*few, "b: no control.", "a: odd.", "c: odd.", "d: odd."]) == [
        "All cells: only two seeds.",
        "b: no control.",
        "Two cells (a; c): odd.",
        "d: odd.",
    ]


def test_a_remark_with_other_figures_is_made_once_with_each():
    names = ["a", "b", "c"]
    notes = ["a: runs are missing (9 of 96).", "c: runs are missing (4 of 96).", "b: odd (1)."]
    assert once(names, notes) == [
        "Two cells: runs are missing: a (9 of 96); c (4 of 96).",
        "b: odd (1).",
    ]
    assert once(names[:2], ["a: odd (γ (or 0), 1).", "b: odd (γ (or 0), 1)."]) == [
        "All cells: odd (γ (or 0), 1)."
    ]


def test_many_harmed_cells_are_counted_once():
    many = [replace(HARMED, task=f"t{i}", harm_start=10.0**i) for i in range(6)]
    many += [replace(HARMED, task=f"u{i}", harm_start=1.0) for i in range(3)]
    said = harm_sentence(many, 0.05, NamesOfAll())
    assert said.count("more cell") == 2
    assert "; and 2 more cells; from γ = 10 on in here" in said
    assert said.endswith("; from a higher γ on in 2 more cells.")

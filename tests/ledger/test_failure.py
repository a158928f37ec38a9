"""The verdicts on broken attempts, as tables."""

import pytest

from lkm_tune.ledger.failure import Failure, explain, judge, parts_again, shortened


@pytest.mark.parametrize(
    ("causes", "verdict"),
    [
        ("own", "again"),
        ("own own", "again"),
        ("own own own", "failed"),
        ("own node own killed@1 node", "again"),
        ("memory", "alone"),
        ("memory node", "alone"),
        ("memory memory", "infeasible"),
        ("node node node node node", "again"),
        ("machine:A machine:A machine:A", "again"),  # the node is left out
        ("machine:A machine:B", "again"),
        ("machine:A machine:B machine:B", "failed"),
        ("machine:A own own", "again"),
        ("machine:A own own own", "failed"),
        ("killed@1", "again"),
        ("killed@1 killed@1", "alone"),
        ("killed@1 killed@1 killed@1", "infeasible"),
        ("killed@1 killed@2 killed@3 killed@4", "again"),  # progress between the kills
        # The failures of an array of eight, four and two trials: another one may have broken it.
        ("8*own 4*own 2*own", "again"),
        ("8*own 4*own 2*own own own own", "failed"),
        ("8*memory 4*memory 2*memory", "again"),
        ("8*memory memory", "alone"),
        ("2*memory memory memory", "infeasible"),
        ("4*killed@1 2*killed@1 killed@1", "again"),
        ("4*machine:A 4*machine:B 2*machine:B", "again"),
    ],
)
def test_what_follows(causes, verdict):
    assert judge(failures_of(causes)) == verdict


@pytest.mark.parametrize(
    ("causes", "parts"),
    [
        ("8*memory", 2),
        ("8*own", 2),
        ("8*killed@1", 2),
        ("8*array", 8),
        ("8*node", 1),
        ("8*machine:A", 1),  # another node may be sound
        ("8*machine:A 8*machine:B", 2),
        ("8*memory 4*node", 1),
    ],
)
def test_in_how_many_parts_an_array_is_tried_again(causes, parts):
    assert parts_again(failures_of(causes)) == parts


def failures_of(causes):
    """`8*killed@3:A`: an array of eight trials, killed in epoch 3 on the node A."""
    failures = []
    for word in causes.split():
        size, _, word = word.rpartition("*")
        word, _, node = word.partition(":")
        cause, _, epoch = word.partition("@")
        failures.append(Failure(cause, "", int(epoch or 0), node, int(size or 1)))
    return failures


def test_a_guess_is_called_a_guess():
    refused = [Failure("memory", "MemoryError", 1)] * 2
    assert explain(refused).startswith("out of memory, ")
    killed = [Failure("killed", "The actor died unexpectedly", 1)] * 3
    assert "killed 3 times in epoch 2" in explain(killed)
    assert "A guess: " in explain(killed)
    assert explain([Failure("own", "KeyError: 3", 1)] * 3) == "KeyError: 3"


def test_the_last_lines_of_an_error_are_kept():
    text = "\n".join(f"line {number}" for number in range(100))
    assert shortened(text).splitlines() == [f"line {n}" for n in range(92, 100)]

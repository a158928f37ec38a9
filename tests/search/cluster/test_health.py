"""When a node is left out, as tables: what trials say of their nodes, and the nodes left out."""

import pytest

from lkm_tune.ledger.left_out import LeftOut, keep_left_out, read_left_out
from lkm_tune.search.cluster.health import SECONDS_OUT, NodeHealth

NODES = {"A": "10.0.0.1", "B": "10.0.0.2"}


def after(events, nodes=NODES):
    """The health after events.

    A trial breaks on a node (-A: another trial each time; -A1: trial 1), works there (+A), or the
    time out passes (wait).
    """
    now, kept = [0.0], []
    health = NodeHealth(lambda: nodes, kept.append, lambda: now[0])
    for number, event in enumerate(events.split(), start=10):
        if event == "wait":
            now[0] += SECONDS_OUT
        elif event[0] == "-":
            health.failed(event[1], event[2:] or str(number), "OSError: no data")
        else:
            health.worked(event[1:])
    return health, kept


@pytest.mark.parametrize(
    ("events", "out"),
    [
        ("-A", ""),
        ("-A -A", "A"),
        ("-A -B", ""),
        ("-A +A -A", ""),
        ("-A +B -A", "A"),
        ("-A -A wait", ""),
        ("-A -A wait -A", "A"),
        ("-A -A wait +A -A", ""),
        ("-A -A -B -B", "A"),  # the last node stays
        ("-A1 -A1 -A1", ""),  # one trial alone blames no node
        ("-A1 -A1 -A2", "A"),
        ("-A1 -B1 -A2", ""),  # the trial broke on both nodes
        ("-A1 -B1 -A2 -B2", ""),
        ("-A1 -B1 -A2 -A3", "A"),
    ],
)
def test_which_node_is_left_out(events, out):
    health, _ = after(events)
    assert "".join(health.left_out) == out
    assert health.avoided(()) == tuple(out)


@pytest.mark.parametrize(
    ("events", "gone", "suspects", "avoided"),
    [
        ("", "", "A", "A"),
        ("", "", "AB", ""),
        ("", "B", "A", ""),
        ("-A -A", "", "", "A"),
        ("-A -A", "", "B", "A"),
        ("-A -A", "B", "", ""),  # a node that was left out is better than none
        ("-A -A", "B", "A", ""),
        ("-A -A wait", "", "", ""),
    ],
)
def test_which_nodes_a_trial_avoids(events, gone, suspects, avoided):
    nodes = dict(NODES)
    health, _ = after(events, nodes)
    for name in gone:
        del nodes[name]
    assert health.avoided(set(suspects)) == tuple(avoided)


def test_the_warning_names_the_node_and_the_error(tmp_path):
    _, (node,) = after("-A -A")
    assert str(node) == "10.0.0.1: OSError: no data"
    file = tmp_path / "left_out.json"
    assert read_left_out(file) == []
    keep_left_out(file, LeftOut("10.0.0.1", "earlier", 1.0))
    keep_left_out(file, node)
    assert read_left_out(file) == [node]

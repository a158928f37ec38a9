"""The check of nodes at the start: which answers refuse a study, and which leave nodes out."""

import pytest

from lkm_tune.search.cluster import start_check
from lkm_tune.search.cluster.nodes import NodeError
from lkm_tune.search.cluster.start_check import Needs, Trouble, check_gpus, check_nodes

DATA, PLACE = Trouble("no data", of_set_up=False), Trouble("does not see it", of_set_up=True)
NODES = {"H": "10.0.0.1", "A": "10.0.0.2", "B": "10.0.0.3"}


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Lets nodes answer, and checks them from the node H."""

    def check(answers, nodes=NODES, gpus=0):
        class Here:
            def get_node_id(self):
                return "H"

        monkeypatch.setattr(start_check.ray, "get_runtime_context", Here)
        monkeypatch.setattr(start_check, "free_gpus", lambda node: gpus)
        monkeypatch.setattr(start_check, "_ask", lambda node, *more: answers.get(node))
        monkeypatch.setattr(
            start_check, "_answers",
            lambda asked, sound: {node: answer for node, answer in asked.items() if answer},
        )  # fmt: skip
        return check_nodes(Needs(str(tmp_path), (), gpus is not None), nodes)

    return check


@pytest.mark.parametrize(
    ("answers", "gpus", "out"),
    [
        ({}, None, ""),
        ({"A": DATA}, None, "A"),
        ({"A": DATA, "B": DATA}, None, "AB"),  # the driver's node remains
        ({"A": PLACE}, None, "A"),
        ({"A": PLACE, "B": DATA}, None, "AB"),
        ({"H": DATA}, None, ""),  # the driver has opened the data there
        ({"H": DATA}, 0, ""),  # its GPUs are held
        ({"H": DATA}, 1, "H"),  # its GPU is broken
    ],
)
def test_nodes_that_are_left_out(told, answers, gpus, out):
    assert "".join(sorted(told(answers, gpus=gpus))) == "".join(sorted(out))


@pytest.mark.parametrize(
    ("answers", "nodes"),
    [
        ({"A": PLACE, "B": PLACE}, "HAB"),  # the folder is not shared: only the driver's node
        ({"A": DATA, "B": DATA}, "AB"),  # the driver's node holds no trial
        ({"A": DATA, "B": PLACE}, "AB"),
        ({"A": PLACE}, "A"),
    ],
)
def test_studies_that_are_refused(told, answers, nodes):
    with pytest.raises(NodeError) as refused:
        told(answers, {name: NODES[name] for name in nodes})
    for node, trouble in answers.items():
        assert f"{NODES[node]}: {trouble.reason}" in str(refused.value)


def test_a_gpu_that_torch_does_not_see(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(RuntimeError, match="its torch .* sees none: install its CUDA build"):
        check_gpus()


def test_every_visible_gpu_computes(monkeypatch):
    used = []

    class Computed:
        def sum(self):
            return self

        def item(self):
            return 2.0

    def ones(size, device):
        used.append(device)
        return Computed()

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.ones", ones)
    check_gpus()
    assert used == ["cuda:0", "cuda:1"]


SILENT = """
import time
import ray
from lkm_tune.search.cluster import start_check

ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)

@ray.remote(num_cpus=0)
def later(seconds):
    time.sleep(seconds)

start_check.PATIENCE_S, start_check.LONGEST_S = 3, 1000
sound, trouble = ray.put(None), ray.put(start_check.Trouble("no data", False))

def told(asked):
    print({node: said.reason for node, said in start_check._answers(asked, sound=False).items()})

told({"A": sound, "B": trouble, "C": later.remote(999)})
# While no node is known to be sound, the check waits for one.
told({"A": later.remote(5), "B": trouble})
"""


def test_a_silent_node_is_left_out_as_soon_as_another_is_sound(run_on_ray):
    said = run_on_ray(SILENT).splitlines()
    assert said[-2:] == ["{'B': 'no data', 'C': 'did not answer for 3 s'}", "{'B': 'no data'}"]

"""The probe of `gpu: auto` on a real Ray with pretended GPUs and a stand-in for a trial."""

import json

import pytest

from lkm_tune.search.cluster import probe
from lkm_tune.study import Study

# One node with a large GPU, one node with two small GPUs. Trials record their times and places.
PROGRAM = """
import json, sys, time
import ray
from ray.cluster_utils import Cluster
from lkm_tune.search.cluster import probe
from lkm_tune.study import Resources, Study

def make_trial(log):
    class Trial:
        def __init__(self, study, cell, seen_from):
            self.cell = cell
            context = ray.get_runtime_context()
            self.where = context.get_node_id(), context.get_accelerator_ids()["GPU"]

        def begin(self):
            return {"pamnet": 3.0, "mxmnet": 2.0}[self.cell.model]

        def go_on(self):
            start = time.time()
            time.sleep(0.5)
            line = {"cell": self.cell.model, "where": self.where, "at": [start, time.time()]}
            with open(log, "a") as file:
                file.write(json.dumps(line) + chr(10))
            return 0.5 if self.cell.model == "pamnet" else 0.25

        def free(self):
            return 40.0 if ray.get_runtime_context().get_node_id() == head else 24.0
    return Trial

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 1})
cluster.add_node(num_cpus=2, num_gpus=2)
ray.init(cluster.address, log_to_driver=False, logging_level=40)
head = cluster.head_node.node_id
study = Study(name="s", models={"pamnet": {}, "mxmnet": {}}, tasks=("qm9/homo",),
              resources=Resources(cpu=0.5, gpu="auto"))
tried = probe.GpuProbe(study, make_trial(sys.argv[1]))
memory = tried.memory()
said = {"memory": [memory.of_a_trial, memory.of_the_gpu], "seconds": tried.step_seconds(2)}
probe.PATIENCE_S = 0.01
try:
    tried.memory()
except ValueError as error:
    said["late"] = str(error)
print(json.dumps(said))
ray.shutdown()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def tried(tmp_path_factory, run_on_ray):
    log = tmp_path_factory.mktemp("probe") / "log"
    said = run_on_ray(PROGRAM, log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return json.loads(said.splitlines()[-1]), lines


def test_the_largest_trial_and_the_smallest_gpu_decide(tried):
    said, _ = tried
    assert said["memory"] == [3.0, 24.0]
    assert said["seconds"] == 0.5


@pytest.mark.parametrize("model", ["pamnet", "mxmnet"])
def test_trials_that_share_a_gpu_are_tried_at_once_on_one(tried, model):
    _, lines = tried
    runs = [line for line in lines if line["cell"] == model]
    assert len(runs) == 2
    assert len({str(run["where"]) for run in runs}) == 1
    assert max(run["at"][0] for run in runs) < min(run["at"][1] for run in runs)


def test_a_long_wait_for_a_gpu_is_an_error(tried):
    assert "others hold all GPUs" in tried[0]["late"]


def test_one_cell_of_each_model_and_dataset_is_tried():
    study = Study(
        name="s",
        models={"pamnet": {}, "mxmnet": {}},
        tasks=("qm9/homo", "qm9/gap", "rmd17/ethanol"),
        compare={"depth": [2, 6, 4], "mixing": ["uniform", "learned"]},
    )
    tried = probe._largest(study.cells)
    assert len(study.cells) == 36
    assert len(tried) == 2 * 2 * 2
    assert {dict(cell.compared)["depth"] for cell in tried} == {6}

"""The check of every node of a cluster at the start of a study."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from traceback import format_exception_only
from uuid import uuid4

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lkm_tune.cache import settle_folders
from lkm_tune.package import package_digest
from lkm_tune.search.checked_data import NeededData
from lkm_tune.search.cluster.nodes import NodeError, check_package, check_place, marked, unseen
from lkm_tune.search.cluster.slots import free_gpus
from lkm_tune.training import open_store
from lkm_tune.training.file_store import Folder

PATIENCE_S = 120.0
"""A node needs this time to start a process, import the package and open the data."""

LONGEST_S = 1800.0
"""The time for the first node, if all nodes must prepare the data first."""


@dataclass(frozen=True)
class Needs:
    """What every node must have.

    Attributes:
        place: the folder or address of the files of trials, which every node reads and writes.
        data: the data of each task.
        gpu: whether trials hold a GPU on nodes that have one.
    """

    place: str
    data: Sequence[NeededData]
    gpu: bool


@dataclass(frozen=True)
class Trouble:
    """Why a node cannot work on a study; `of_set_up` if its package or its folders are wrong."""

    reason: str
    of_set_up: bool


def check_nodes(needs: Needs, nodes: Mapping[str, str]) -> dict[str, str]:
    """Checks that the nodes have what a study needs.

    Args:
        needs: what every node must have.
        nodes: Ray's name -> address of the present nodes that can hold a trial.

    Returns:
        Ray's name -> the trouble of each node that cannot work on the study, while others can.

    Raises:
        NodeError: if no node can work on the study, or if no other than the driver's has its
            package and sees its files; the error names all such nodes and says what to do.
        OSError: if this machine cannot write to the place; ValueError for an object store.
    """
    here = ray.get_runtime_context().get_node_id()
    with ExitStack() as stack:
        try:
            mark = stack.enter_context(marked(needs.place))
        except OSError as error:
            if isinstance(open_store(needs.place), Folder):
                raise
            raise ValueError(f"this machine cannot write to {needs.place}: {error}") from error
        # GPUs that other programs hold need no check, and the check does not wait for them.
        gpus = {node: free_gpus(node) if needs.gpu else 0 for node in nodes}
        # The driver has opened the data on its own node.
        looked_at = [node for node in nodes if node != here or gpus[node]]
        asked = {node: _ask(node, needs, mark, gpus[node]) for node in looked_at}
        troubles = _answers(asked, sound=len(asked) < len(nodes))
    others = nodes.keys() - {here}
    astray = [node for node in others if node in troubles and troubles[node].of_set_up]
    if troubles and (len(troubles) == len(nodes) or (others and len(astray) == len(others))):
        lines = [f"  {nodes[node]}: {trouble.reason}" for node, trouble in troubles.items()]
        raise NodeError("\n".join(["these nodes cannot work on the study:", *lines]))
    return {node: trouble.reason for node, trouble in troubles.items()}


def _answers(
    asked: Mapping[str, "ray.ObjectRef[Trouble | None]"], sound: bool
) -> dict[str, Trouble]:
    """The troubles of nodes; a silent node has one as soon as a sound node is known."""
    troubles: dict[str, Trouble] = {}
    waiting = {answer: node for node, answer in asked.items()}
    began = time.monotonic()
    while waiting:
        patience = PATIENCE_S if sound else LONGEST_S
        left = max(0.0, began + patience - time.monotonic())
        done, _ = ray.wait(list(waiting), timeout=left)
        if not done:
            silent = Trouble(f"did not answer for {patience:g} s", of_set_up=False)
            return troubles | dict.fromkeys(waiting.values(), silent)
        for answer in done:
            node, trouble = waiting.pop(answer), _trouble(answer)
            if trouble:
                troubles[node] = trouble
            sound = sound or trouble is None
    return troubles


def _ask(node: str, needs: Needs, mark: str, gpus: int) -> "ray.ObjectRef[Trouble | None]":
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    asked = _look.options(num_cpus=0, num_gpus=gpus, scheduling_strategy=there, max_retries=0)
    answer: ray.ObjectRef[Trouble | None] = asked.remote(needs, mark, package_digest(), gpus > 0)
    return answer


@ray.remote
def _look(needs: Needs, mark: str, driver: str, has_gpu: bool) -> Trouble | None:
    """The problem of a node, if there is one."""
    settle_folders(Path.cwd())
    try:
        check_package(driver)
        check_place(needs.place, mark)
        store = open_store(needs.place)
        answer = f"from-a-node-{uuid4().hex}"
        store.write(answer, b"")
        store.delete(answer)
    except NodeError as error:
        return Trouble(str(error), of_set_up=True)
    except OSError as error:
        return Trouble(unseen(needs.place, str(error)), of_set_up=True)
    try:
        if has_gpu:
            check_gpus()
        for data in needs.data:
            data.open()
    except Exception as error:  # noqa: BLE001 - whatever breaks here would break trials
        return Trouble("".join(format_exception_only(error)).strip(), of_set_up=False)
    return None


def check_gpus() -> None:
    """Runs one operation on each GPU of this process.

    Raises:
        RuntimeError: if torch sees no GPU, or a GPU refuses to work.
    """
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError(
            f"the node has a GPU, but its torch {torch.__version__} sees none: install its CUDA "
            "build there, or set resources.gpu to 0"
        )
    for number in range(torch.cuda.device_count()):
        torch.ones(2, device=f"cuda:{number}").sum().item()


def _trouble(answer: "ray.ObjectRef[Trouble | None]") -> Trouble | None:
    try:
        return ray.get(answer)
    except ray.exceptions.RayError as error:
        said = str(error).strip().splitlines()[-1]
        return Trouble(f"cannot run lkm-tune ({said}): `ray up` installs it", of_set_up=True)

"""What every node of a cluster must have before it may work on a study."""

from uuid import uuid4

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lkm_tune.package import package_digest
from lkm_tune.training import open_store
from lkm_tune.training.store import Folder

# A node starts a process and imports the package for this.
PATIENCE_S = 120.0


class NodeError(ValueError):
    """Nodes of the cluster cannot work on the study."""


def check_package(driver: str) -> None:
    """Compares this node's code with the driver's.

    Args:
        driver: digest of the driver's package.

    Raises:
        NodeError: if it is another one.
    """
    if driver != package_digest():
        raise NodeError(
            f"has another state of lkm-tune ({package_digest()}) than the driver's machine "
            f"({driver}): run `ray up` again"
        )


def check_nodes(place: str) -> None:
    """Asks every node but the driver's whether it has the same code and sees the same files.

    Args:
        place: where the files of trials lie, which every node reads and writes.

    Raises:
        NodeError: if one does not; names them all, and what to do.
        OSError: if this machine cannot write there; ValueError for an object store.
    """
    here = ray.get_runtime_context().get_node_id()
    nodes = {
        node["NodeID"]: node["NodeManagerAddress"]
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"] and node["NodeID"] != here
    }
    store, mark = open_store(place), f"from-the-driver-{uuid4().hex}"
    try:
        store.write(mark, b"")
    except OSError as error:
        if isinstance(store, Folder):
            raise
        raise ValueError(f"this machine cannot write to {place}: {error}") from error
    try:
        asked = {address: _ask(node, place, mark) for node, address in nodes.items()}
        troubles = [
            f"  {address}: {trouble}"
            for address, answer in asked.items()
            if (trouble := _trouble(answer))
        ]
    finally:
        store.delete(mark)
    if troubles:
        raise NodeError("\n".join(["these nodes cannot work on the study:", *troubles]))


def _ask(node: str, place: str, mark: str) -> "ray.ObjectRef[str]":
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    asked = _look.options(num_cpus=0, scheduling_strategy=there, max_retries=0)
    answer: ray.ObjectRef[str] = asked.remote(place, mark, package_digest())
    return answer


@ray.remote
def _look(place: str, mark: str, driver: str) -> str:
    """What is wrong on a node; "" if nothing is."""
    try:
        check_package(driver)
        store = open_store(place)
        store.read(mark)
        answer = f"from-a-node-{uuid4().hex}"
        store.write(answer, b"")
        store.delete(answer)
    except NodeError as error:
        return str(error)
    except OSError as error:
        return (
            f"does not see {place} as the driver's machine does ({error}): give --storage, or "
            "LKM_TUNE_STORAGE, as a folder that all nodes share, such as one on NFS, or "
            "--checkpoints, or LKM_TUNE_CHECKPOINTS, as an address in an object store"
        )
    return ""


def _trouble(asked: "ray.ObjectRef[str]") -> str:
    try:
        return str(ray.get(asked, timeout=PATIENCE_S))
    except ray.exceptions.GetTimeoutError:
        return f"did not answer for {PATIENCE_S:g} s"
    except ray.exceptions.RayError as error:
        said = str(error).strip().splitlines()[-1]
        return f"cannot run lkm-tune ({said}): `ray up` installs it"

"""The number of trials that a Ray cluster can hold at once."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray._private.state import available_resources_per_node


@dataclass(frozen=True)
class Share:
    """The resources of one trial: CPU cores, and GPUs or a fraction of a GPU."""

    cpu: float
    gpu: float


class NoRoomError(ValueError):
    """No node of the cluster can hold a trial."""


@dataclass(frozen=True)
class Slots:
    """The slots of the present nodes.

    Attributes:
        all: number of trials with the study's share on all nodes.
        whole: share of a trial that is alone on its node (or on its whole GPUs).
        of_a_whole: number of usual trials that such a trial replaces.
    """

    all: int
    whole: Share
    of_a_whole: int


def trial_slots(share: Share, without: Collection[str] = ()) -> Slots:
    """The slots for trials with these resources on all nodes except `without` (Ray's names).

    Raises:
        NoRoomError: if no node can hold a trial; the error lists needs and resources.
    """
    nodes = node_resources(without)
    held = [_of_node(node, share) for node in nodes]
    if not any(held):
        have = "; ".join(
            f"{node.get('CPU', 0):g} CPU, {node.get('GPU', 0):g} GPU" for node in nodes
        )
        raise NoRoomError(
            f"a trial needs {share.cpu:g} CPU and {share.gpu:g} GPU on one node "
            f"(resources of the study), but the nodes have: {have}"
        )
    if share.gpu:
        gpus = math.ceil(share.gpu)
        whole = Share(share.cpu, float(gpus))
        return Slots(sum(held), whole, max(1, _of_gpus(gpus, share.gpu)))
    most, largest = max(zip(held, (node.get("CPU", 0.0) for node in nodes), strict=True))
    return Slots(sum(held), Share(max(share.cpu, largest), 0.0), most)


def free_slots(share: Share, without: Collection[str] = ()) -> int:
    """How many trials there is room for that nobody holds, on all nodes except `without`."""
    nodes = available_resources_per_node()  # type: ignore[no-untyped-call]
    return sum(_of_node(node, share) for name, node in nodes.items() if name not in without)


def held_slots(bundles: Iterable[Mapping[str, float]], share: Share) -> int:
    """How many trials with the study's share bundles of resources have room for."""
    return sum(max(1, _of_node(bundle, share)) for bundle in bundles)


def node_resources(without: Collection[str] = ()) -> list[dict[str, float]]:
    """The resources of each present node except `without` (Ray's names)."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return [n["Resources"] for n in nodes if n["Alive"] and n["NodeID"] not in without]


def usable_nodes(share: Share) -> dict[str, str]:
    """Ray's name -> address of each present node that can hold a trial."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    alive = [node for node in nodes if node["Alive"] and _of_node(node["Resources"], share)]
    return {node["NodeID"]: node["NodeManagerAddress"] for node in alive}


def gpu_nodes() -> list[str]:
    """The names that Ray gives to the present nodes with a GPU."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return [n["NodeID"] for n in nodes if n["Alive"] and n["Resources"].get("GPU", 0.0) >= 1]


def free_gpus(node: str) -> int:
    """How many whole GPUs of a node (by Ray's name) nobody holds."""
    return int(available_resources_per_node().get(node, {}).get("GPU", 0.0))  # type: ignore[no-untyped-call]


def nodes_by_address() -> dict[str, dict[str, float]]:
    """Address -> total resources of each present node: `of_cpu` and `of_gpu`."""
    found: dict[str, dict[str, float]] = {}
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        if node["Alive"]:
            whole = found.setdefault(node["NodeManagerAddress"], {"of_cpu": 0.0, "of_gpu": 0.0})
            whole["of_cpu"] += node["Resources"].get("CPU", 0.0)
            whole["of_gpu"] += node["Resources"].get("GPU", 0.0)
    return found


def _of_node(node: Mapping[str, Any], share: Share) -> int:
    shares: list[int] = [math.floor(node.get("CPU", 0.0) / share.cpu + 1e-9)]
    if share.gpu:
        shares.append(_of_gpus(node.get("GPU", 0.0), share.gpu))
    return min(shares)


def _of_gpus(gpus: float, each: float) -> int:
    # A trial's share of a GPU lies on one GPU.
    if each < 1:
        return math.floor(gpus) * math.floor(1 / each + 1e-9)
    return math.floor(gpus / each + 1e-9)

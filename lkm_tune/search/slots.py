"""How many trials a Ray cluster can hold at once."""

import math
from collections.abc import Mapping
from typing import Any

import ray

from lkm_tune.study import Resources


class NoRoomError(ValueError):
    """No node of the cluster can hold a trial."""


def trial_slots(resources: Resources) -> int:
    """The number of trials with these resources that the present nodes hold together.

    Raises:
        NoRoomError: if no node can hold one; names what a trial asks for and what the nodes have.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    slots = sum(_of_node(node, resources) for node in nodes)
    if slots == 0:
        have = "; ".join(
            f"{node.get('CPU', 0):g} CPU, {node.get('GPU', 0):g} GPU" for node in nodes
        )
        raise NoRoomError(
            f"a trial needs {resources.cpu:g} CPU and {resources.gpu:g} GPU on one node "
            f"(resources of the study), but the nodes have: {have}"
        )
    return slots


def _of_node(node: Mapping[str, Any], resources: Resources) -> int:
    shares: list[int] = [math.floor(node.get("CPU", 0.0) / resources.cpu + 1e-9)]
    if resources.gpu:
        shares.append(_of_gpus(node.get("GPU", 0.0), resources.gpu))
    return min(shares)


def _of_gpus(gpus: float, each: float) -> int:
    # A trial's share of a GPU lies on one GPU.
    if each < 1:
        return math.floor(gpus) * math.floor(1 / each + 1e-9)
    return math.floor(gpus / each + 1e-9)

"""`resources.array`: the number of trials that train as one program."""

import logging
import math
from collections.abc import Callable, Container, Mapping
from typing import Any

from lkm_tune.search.cluster.probe import CONTEXT
from lkm_tune.search.cluster.sharing import MARGIN, Probe
from lkm_tune.search.cluster.slots import Share
from lkm_tune.search.planner import ArraySize
from lkm_tune.search.wanted_array import wanted_array
from lkm_tune.study import Cell, Phase, Study, TrialSpec

logger = logging.getLogger(__name__)


def array_size(
    study: Study, share: Share, probe_of: Callable[[Study], Probe], without: Container[str] = ()
) -> ArraySize:
    """The largest arrays of a study.

    On a GPU, `auto` takes no more trials than fit into the trial's share of the memory; a probe of
    the largest trial says how many.

    Args:
        study: the study.
        share: the resources of a trial.
        probe_of: creates the probe if it is needed.
        without: the models that cannot train in arrays; the set may grow.
    """
    fits = math.inf
    if study.resources.array == "auto" and share.gpu:
        try:
            fits = _fitting(probe_of(study), share.gpu)
        except ValueError as error:
            logger.warning("trials train singly: %s", error)
            fits = 1

    def size(cell: Cell, phase: Phase, settings: Mapping[str, Any]) -> int:
        if cell.model in without:
            return 1
        trial = TrialSpec(study.name, cell, phase, 0, {"gamma": 0.0, **settings}, 0, 1)
        return int(min(fits, wanted_array(study, trial, "cuda" if share.gpu else "cpu")))

    return size


def _fitting(probe: Probe, gpu: float) -> int:
    """How many runs of one process fit into a share of a GPU."""
    memory = probe.memory()
    room = MARGIN * memory.of_the_gpu * min(gpu, 1.0) - CONTEXT
    each = memory.of_a_trial - CONTEXT
    return max(1, math.floor(room / each)) if each > 0 else 1

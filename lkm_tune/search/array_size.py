"""`resources.array`: the number of curve points that train as one program."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from lkm_tune.search.cluster.probe import CONTEXT
from lkm_tune.search.cluster.sharing import MARGIN, Probe
from lkm_tune.search.cluster.slots import Share
from lkm_tune.study import Cell, Study, TrialSpec
from lkm_tune.training.array_run import array_pays

logger = logging.getLogger(__name__)

ArraySize = Callable[[Cell, Mapping[str, Any]], int]
"""A cell, and the settings of a point of its curve -> the largest number of trials in an array."""


def array_size(study: Study, share: Share, probe_of: Callable[[Study], Probe]) -> ArraySize:
    """The largest arrays of a study.

    On a CPU, `auto` takes all γ of a seed where an array is faster. On a GPU it takes as many as
    fit into the trial's share of the memory; a probe of the largest trial says how many.

    Args:
        study: the study.
        share: the resources of a trial.
        probe_of: creates the probe if it is needed.
    """
    asked, most = study.resources.array, len(study.curve.gammas)
    if asked != "auto":
        return lambda cell, settings: asked
    if share.gpu:
        try:
            fits = min(most, _fitting(probe_of(study), share.gpu))
        except ValueError as error:
            logger.warning("points of curves train singly: %s", error)
            fits = 1
        return lambda cell, settings: fits

    def on_a_cpu(cell: Cell, settings: Mapping[str, Any]) -> int:
        point = TrialSpec(study.name, cell, "curve", 0, settings, 0, study.training.epochs)
        return most if array_pays(study.run_config(point), "cpu") else 1

    return on_a_cpu


def _fitting(probe: Probe, gpu: float) -> int:
    """How many runs of one process fit into a share of a GPU."""
    memory = probe.memory()
    room = MARGIN * memory.of_the_gpu * min(gpu, 1.0) - CONTEXT
    each = memory.of_a_trial - CONTEXT
    return max(1, math.floor(room / each)) if each > 0 else 1

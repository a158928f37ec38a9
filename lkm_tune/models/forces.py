"""Forces of a network that predicts an energy."""

from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor

from lkm_tune.graphs import MoleculeBatch
from lkm_tune.models.fused_dense import slopes_alone
from lkm_tune.models.output import ModelOutput, MoleculeModel


def energy_and_forces(
    model: MoleculeModel, batch: MoleculeBatch, *, trainable: bool = False
) -> tuple[ModelOutput, Tensor]:
    """The output of `model` with the energies as prediction, and the forces F = −dE/dR.

    Args:
        model: a model that predicts one energy per molecule.
        batch: the molecules; their positions are not changed.
        trainable: whether the forces can be differentiated again, for a loss on them.

    Returns:
        The output, and forces [N, 3] in the unit of the prediction per Å.

    Raises:
        ValueError: if the model ignores positions, or predicts several values per molecule.
    """
    if not model.uses_positions:
        raise ValueError(
            f"forces need a model that uses positions, but {type(model).__name__} does not"
        )
    with torch.enable_grad(), slopes_alone() if trainable else nullcontext():
        pos = batch.pos.detach().requires_grad_(True)
        output = model(replace(batch, pos=pos))
        if output.prediction.shape[1] != 1:
            raise ValueError(
                "forces need one energy per molecule, but the model predicts "
                f"{output.prediction.shape[1]} values"
            )
        # Molecules are independent: the gradient of the sum has the gradient of each.
        (slope,) = torch.autograd.grad(output.prediction.sum(), pos, create_graph=trainable)
    return output, -slope

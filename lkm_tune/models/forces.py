"""Forces of a network that predicts an energy."""

from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor

from lkm_tune.graphs import MoleculeBatch
from lkm_tune.models.fused_dense import slopes_alone
from lkm_tune.models.output import ModelOutput, MoleculeModel
from lkm_tune.models.with_weights import WithWeights


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

    def energy(pos: Tensor) -> tuple[Tensor, ModelOutput]:
        output = model(replace(batch, pos=pos))
        if output.prediction.shape[1] != 1:
            raise ValueError(
                "forces need one energy per molecule, but the model predicts "
                f"{output.prediction.shape[1]} values"
            )
        # Molecules are independent: the gradient of the sum has the gradient of each.
        return output.prediction.sum(), output

    if isinstance(model, WithWeights):  # `torch.autograd.grad` refuses to run inside of `vmap`.

        def apart(pos: Tensor) -> tuple[Tensor, tuple[Tensor, list[Tensor]]]:
            total, output = energy(pos)
            return total, (output.prediction, output.layers)

        slope, (prediction, layers) = torch.func.grad(apart, has_aux=True)(batch.pos.detach())
        return ModelOutput(prediction, layers), -slope
    with torch.enable_grad(), slopes_alone() if trainable else nullcontext():
        pos = batch.pos.detach().requires_grad_(True)
        total, output = energy(pos)
        (slope,) = torch.autograd.grad(total, pos, create_graph=trainable)
    return output, -slope

"""A network with other weights, for `torch.func.vmap` over the weights of several networks."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call


class WithWeights:
    """Calls a network with other weights than its own; `vmap` can go over these weights.

    Attributes:
        network: the network; its own weights are neither read nor changed.
        weights: the weights by name, as `named_parameters` has them.
    """

    def __init__(self, network: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Joins a network and weights; the other weights stay those of the network."""
        self.network = network
        self.weights = dict(weights)

    def __call__(self, *inputs: Any) -> Any:
        """The output of the network."""
        return functional_call(self.network, self.weights, inputs)

    def __getattr__(self, name: str) -> Any:
        """Other attributes are those of the network."""
        return getattr(self.network, name)

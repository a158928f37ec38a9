"""The loss and the error of a classification of nodes."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lkm_tune.datasets import NodeData, Part
from lkm_tune.models import NodeClassifier, SizeClasses
from lkm_tune.models.convolution import ConvolutionEdges
from lkm_tune.study import TrainingPlan
from lkm_tune.training.device import to_device
from lkm_tune.training.objective import Loss, Objective
from lkm_tune.training.samples import Indices, NodeSamples


class Classes(Objective[NodeSamples]):
    """L_pred = mean cross-entropy of the training nodes; the error is 1 − accuracy.

    Every step uses the whole graph and mixes the states of all its nodes.
    """

    def __init__(self, data: NodeData, plan: TrainingPlan, device: torch.device) -> None:
        """Takes the data; the graph is on `device`."""
        super().__init__(plan, device)
        self.data = data
        self.batch_size = self.micro_batch_size = len(data.split.train)
        self.eval_batch_size = len(data.graph.labels)
        self.features = data.graph.features.to(device)
        self.labels = data.graph.labels.to(device)
        self._edges: dict[str, ConvolutionEdges] = {}

    def samples(
        self,
        network: nn.Module,
        indices: Indices,
        batch: Indices,
        classes: SizeClasses | None = None,
    ) -> NodeSamples:
        """See `Objective`; the shapes of all batches are equal without padding."""
        classifier, graph = cast(NodeClassifier, network), self.data.graph
        kind = classifier.kind
        if kind not in self._edges:  # The graph is the same in every step.
            edges = classifier.prepare(graph.features, graph.edge_index)
            self._edges[kind] = to_device(edges, self.device)
        nodes = to_device(torch.from_numpy(indices), self.device)
        return NodeSamples(nodes, self._edges[kind], len(batch))

    def loss(self, network: nn.Module, samples: NodeSamples) -> Loss:
        """See `Objective`."""
        output, nodes = network(self.features, samples.edges), samples.nodes
        total = functional.cross_entropy(
            output.prediction[nodes], self.labels[nodes], reduction="sum"
        )

        def judge(outputs: Tensor) -> tuple[Tensor, Tensor]:
            errors = functional.cross_entropy(outputs[nodes], self.labels[nodes], reduction="none")
            # Nodes without a class count as the mean of the nodes with a class.
            of_all = errors.mean().expand(len(outputs)).index_copy(0, nodes, errors)
            return of_all, errors.sum() / samples.rows

        return Loss(total / samples.rows, output, len(nodes) / samples.rows, judge)

    def mean_errors(self, part: Part) -> dict[str, float]:
        """The error of predicting the most frequent class."""
        return {self.judged: self.data.mean_error(part)}

    def _errors(self, network: nn.Module, samples: NodeSamples) -> dict[str, tuple[Tensor, int]]:
        nodes = samples.nodes
        said = network(self.features, samples.edges).prediction[nodes].argmax(dim=1)
        wrong = (said != self.labels[nodes]).double()
        return {self.judged: (wrong.sum(), wrong.numel())}

"""Which runs are comparable: the scale of γ and the protocol of a run, with one definition each.

Two runs have the same γ scale if equal γ mean equal strengths of mixing. They have the same
protocol if they differ only in γ and the seed; only then do their seeds add up. New fields of
`RunConfig` count in both definitions. This module names the few fields that do not count.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from lkm_tune.study.trial import RunConfig

UNCOUNTED = ("gamma", "seed", "data.source", "training.eval_batch_size", "training.capture")
"""Fields of `RunConfig` outside the protocol: γ and seed, which a curve varies; the path of the
data, since the digest of their content counts; the batch size of the evaluation; and whether CUDA
graphs repeat the steps."""


@dataclass(frozen=True)
class RunFacts:
    """Facts that decide the result of a run and are not in its config.

    Attributes:
        model_settings: defaults of the model's settings.
        data: digest of the content of the data file; "" if unknown.
        loss: loss of the prediction.
        normalisation: normalisation of the targets.
        precision: precision of the numbers.
        code: digest of the source file of a user's own network; "" for a network of the package.
    """

    model_settings: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    loss: str = "l1"
    normalisation: str = "standard"
    precision: str = "float32"
    code: str = ""


class Protocol(NamedTuple):
    """Comparable runs have equal protocols.

    Attributes:
        key: twelve hexadecimal digits.
        text: the same in words: `name value`, separated by `; `.
    """

    key: str
    text: str


def gamma_scale(config: RunConfig, facts: RunFacts) -> str:
    """The scale of γ: the γ of two runs are comparable only if this text is equal."""
    settings = {**facts.model_settings, **config.model_settings}
    parts = {
        **asdict(config.lkm),
        "layers": settings.get("layers", "default"),
        "loss": facts.loss,
        "normalisation": facts.normalisation,
    }
    return " ".join(f"{name}={_text(value)}" for name, value in parts.items())


def protocol(config: RunConfig, facts: RunFacts) -> Protocol:
    """The protocol of a run."""
    told = {
        name: value
        for name, value in _leaves(config.to_dict())
        # Without a digest of the data, only their path identifies them.
        if name not in UNCOUNTED or (name == "data.source" and not facts.data)
    }
    own = asdict(facts)
    told |= {f"model_settings.{k}": v for k, v in own.pop("model_settings").items()
             if f"model_settings.{k}" not in told}  # fmt: skip
    told |= {f"facts.{name}": value for name, value in own.items()}
    text = json.dumps(told, sort_keys=True, default=str)
    said = (
        f"{name.rpartition('.')[2]} {_text(value)}"
        for name, value in told.items()
        if value not in (None, "")
    )
    return Protocol(hashlib.sha256(text.encode()).hexdigest()[:12], "; ".join(said))


def _leaves(data: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)

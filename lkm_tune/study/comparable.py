"""Which runs may be compared: the scale of γ, and the protocol of a run. One definition each.

Two runs are on the same γ scale where equal γ mean equal strengths of mixing. They have the same
protocol where nothing but γ and the seed tells them apart: only then do their seeds add up. A field
of `RunConfig` that is new counts in both by itself; the few that do not count are named here.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from lkm_tune.study.trial import RunConfig

UNCOUNTED = ("gamma", "seed", "data.source", "training.eval_batch_size")
"""Fields of `RunConfig` that are no part of a protocol: the two that a curve varies; where the data
lie, for which the digest of their content stands; and how many samples are evaluated at a time."""


@dataclass(frozen=True)
class RunFacts:
    """What decides the result of a run and its config does not say.

    Attributes:
        model_settings: the defaults of the model's settings.
        data: digest of the content of the data file; "" where it is not known.
        loss: of the prediction.
        normalisation: of the targets.
        precision: of the numbers.
        code: digest of the source file of a user's own network; "" for a network of the package.
    """

    model_settings: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    loss: str = "l1"
    normalisation: str = "standard"
    precision: str = "float32"
    code: str = ""


class Protocol(NamedTuple):
    """What must be equal for runs to be comparable.

    Attributes:
        key: twelve hexadecimal digits.
        text: the same in words: `name value`, separated by `; `.
    """

    key: str
    text: str


def gamma_scale(config: RunConfig, facts: RunFacts) -> str:
    """What gives γ its scale: the γ of two runs compare only where this text is the same."""
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
        # Without a digest of the data their place is all that is known of them.
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

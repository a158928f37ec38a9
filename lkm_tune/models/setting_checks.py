"""Checks of the settings of the networks, without torch."""

from collections.abc import Sequence
from numbers import Integral, Real

from lkm_tune.elements import HEAVIEST_ELEMENT


def check_counts(least: int = 1, /, **settings: object) -> None:
    """Raise ValueError unless every setting is a whole number of at least `least`."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise ValueError(
                f"`{name}` must be a whole number >= {least}, but got {name}={value!r}"
            )


def check_most(most: int, /, **settings: int) -> None:
    """Raise ValueError if a setting is larger than `most`."""
    for name, value in settings.items():
        if value > most:
            raise ValueError(f"`{name}` must be at most {most:,}, but got {name}={value}")


def check_lengths(**settings: object) -> None:
    """Raise ValueError unless every setting is a positive, finite number (of Å)."""
    for name, value in settings.items():
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not number or not 0 < float(value) < float("inf"):  # type: ignore[arg-type]
            raise ValueError(f"`{name}` must be a length > 0 in Å, but got {name}={value!r}")


def check_layers(layers: str, choices: Sequence[str], n_states: int) -> None:
    """Raise ValueError unless `layers` is one of the choices and gives two states to mix."""
    check_choice("layers", layers, choices)
    if n_states < 2:
        raise ValueError(
            f"layers={layers!r} at this depth gives {n_states} atom state, and with fewer than "
            "two there is nothing to mix; take a larger depth or other layers"
        )


def checked_elements(elements: Sequence[int]) -> tuple[int, ...]:
    """The atomic numbers as a tuple.

    Raises:
        ValueError: if the list is empty, or a number is repeated or not an atomic number.
    """
    listed = tuple(elements)
    valid = all(
        isinstance(z, Integral) and not isinstance(z, bool) and 1 <= z <= HEAVIEST_ELEMENT
        for z in listed
    )
    if not listed or not valid or len(set(listed)) != len(listed):
        raise ValueError(
            f"`elements` must list distinct atomic numbers in 1 .. {HEAVIEST_ELEMENT}, "
            f"but got elements={listed!r}"
        )
    return tuple(int(z) for z in listed)


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise ValueError unless the setting `name` is one of the choices."""
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {', '.join(choices)}, but got {value!r}")


def check_dropout(dropout: float) -> None:
    """Raise ValueError unless `dropout` is a number in [0, 1)."""
    number = isinstance(dropout, Real) and not isinstance(dropout, bool)
    if not number or not 0 <= dropout < 1:
        raise ValueError(f"`0 <= dropout < 1` must hold, but got dropout={dropout!r}")


def check_heads(hidden: int, heads: int) -> None:
    """Raise ValueError unless a whole number of features belongs to each attention head."""
    check_counts(heads=heads)
    if hidden % heads:
        raise ValueError(
            f"`hidden` must be a multiple of `heads`, but got hidden={hidden}, heads={heads}"
        )

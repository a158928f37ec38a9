"""Colours of the figures, told apart with any colour vision and in print.

Lines and areas: Okabe & Ito (jfly.uni-koeln.de/color, 2008). Heat: from light to dark between
yellow and blue, as cividis (J. R. Nuñez et al., PLoS ONE 13, 2018, e0199239).
"""

BLUE, ORANGE, VERMILLION, GREY, INK = "#0072B2", "#E69F00", "#D55E00", "#6b6b6b", "#333333"

_HEAT = ((254, 232, 140), (188, 174, 117), (124, 123, 120), (65, 77, 107), (0, 32, 77))


def ramp(share: float) -> str:
    """The colour of a share between 0 (light) and 1 (dark)."""
    place = min(max(share, 0.0), 1.0) * (len(_HEAT) - 1)
    low = min(int(place), len(_HEAT) - 2)
    mixed = (
        round(a + (b - a) * (place - low)) for a, b in zip(_HEAT[low], _HEAT[low + 1], strict=True)
    )
    return "#{:02x}{:02x}{:02x}".format(*mixed)

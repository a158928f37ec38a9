"""Colours of the figures, distinguishable with any colour vision and in print.

Lines and areas: Okabe & Ito (jfly.uni-koeln.de/color, 2008), lighter on a dark page. They are CSS
variables: a page with a figure must contain `STYLE`.
"""

BLUE, ORANGE, VERMILLION, GREY, INK, PAPER = (
    f"var(--{name})" for name in ("blue", "orange", "vermillion", "grey", "ink", "paper")
)

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --blue: #0072b2; --orange: #e69f00;
  --vermillion: #d55e00; --grey: #6b6b6b; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181c;
  --blue: #56b4e9; --orange: #f0b429; --vermillion: #ff8a4c; --grey: #9a9a9a; } }
"""
"""The values of the colours, on a light and on a dark page; print is always light."""

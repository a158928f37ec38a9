"""lkm-tune: search the strength γ of Layer-to-Layer Knowledge Mixing in graph networks."""

__version__ = "0.1.0"

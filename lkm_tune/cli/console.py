"""The one console that every verb writes to."""

from rich.console import Console

console = Console(highlight=False)
"""Plain lines where there is no terminal."""

"""The one console that every verb writes to."""

from rich.console import Console

console = Console(highlight=False, markup=False, emoji=False)
"""Plain lines where there is no terminal; what it prints is text and never markup."""


def say(text: str) -> None:
    """One line of text, wrapped by the terminal itself so that paths can be copied."""
    console.print(text, soft_wrap=True)

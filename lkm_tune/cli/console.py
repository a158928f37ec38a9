"""The one console that every verb writes to."""

from rich.console import Console

console = Console(highlight=False, markup=False, emoji=False)
"""Plain lines where there is no terminal; what it prints is text and never markup."""

if not console.is_terminal:
    console.width = 200  # a file has room for a table


def say(text: str) -> None:
    """One line of text; a terminal wraps it between words, a file gets it whole."""
    console.print(text, soft_wrap=not console.is_terminal)


def line_width() -> int:
    """Letters that fit in a line of running text."""
    return console.width if console.is_terminal else 100

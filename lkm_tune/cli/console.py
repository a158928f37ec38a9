"""The console of all commands."""

from rich.console import Console

console = Console(highlight=False, markup=False, emoji=False)
"""Without a terminal, it prints plain lines; it never interprets markup."""

if not console.is_terminal:
    console.width = 200  # a file has room for a table


def say(text: str) -> None:
    """Prints one line of text; a terminal wraps it between words, a file gets one line."""
    console.print(text, soft_wrap=not console.is_terminal)


def line_width() -> int:
    """Number of characters in a line of running text."""
    return console.width if console.is_terminal else 100

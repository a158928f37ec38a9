"""Imports the names of a package at their first use, so that a quick command loads no torch."""

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def lazy_imports(file: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package: it imports a name at its first use.

    Args:
        file: `__file__` of the package. Its imports under `if TYPE_CHECKING:`, which type
            checkers read, say where each name is.
    """
    blocks = [
        block for block in ast.parse(Path(file).read_bytes()).body if isinstance(block, ast.If)
    ]
    homes = {
        alias.name: str(node.module)
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    package = ".".join(("lkm_tune", Path(file).parent.name))

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return find

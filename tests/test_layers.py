"""The allowed imports between the rooms of the package."""

import ast
from pathlib import Path

import pytest

import lkm_tune

PACKAGE = Path(lkm_tune.__file__).parent

# Room -> the rooms that it may import.
ALLOWED = {
    "files": set(),
    "cache": set(),
    "lazy": set(),
    "elements": set(),
    "masking": set(),
    "package": set(),
    "printable": set(),
    "versions": set(),
    "study": set(),
    "lkm": set(),
    "graphs": {"elements"},
    "diagnostics": {"elements"},
    "models": {"cache", "elements", "graphs", "lazy"},
    "datasets": {"cache", "elements", "files", "graphs", "lazy", "printable", "study"},
    "training": {
        *("elements", "files", "models", "datasets", "lkm", "study", "graphs", "diagnostics"),
        "lazy",
    },
    "ledger": {"files", "masking", "study"},
    "search": {
        *("cache", "files", "package", "ledger", "training", "models", "datasets", "study"),
        # The planner gets the open pairs of cells from the analysis.
        "transfer",
        "masking",
    },
    "tracking": {"cache", "files", "masking", "versions", "ledger", "study"},
    "transfer": {"files", "lazy", "printable", "versions", "ledger", "study"},
    "app": {
        *("elements", "lazy", "masking", "printable"),
        *("files", "package", "versions", "study", "graphs", "models", "datasets", "ledger"),
        *("training", "search", "tracking", "transfer", "diagnostics"),
    },
    "serve": {"app"},
    "cli": {"app", "serve"},
    "__init__": set(),
}

# Heavy package -> the rooms that may import it.
HOMES = {
    "ray": {"search"},
    "optuna": {"ledger", "search"},
    "mlflow": {"tracking"},
    "torch_geometric": {"models", "datasets"},
    "matplotlib": {"diagnostics", "app"},
    "rdkit": {"datasets"},
    "pooch": {"datasets"},
    "pydantic": {"study", "serve"},
    "pydantic_core": {"study", "serve"},
    "safetensors": {"training"},
    "pyarrow": {"training"},
    "sklearn": {"diagnostics"},
    "scipy": {"datasets", "models", "transfer"},
    "jinja2": {"transfer", "serve"},
    "fastapi": {"serve"},
    "starlette": {"serve"},
    "uvicorn": {"serve"},
    "httpx": {"cli"},
    "sqlalchemy": {"tracking"},
    "rich": {"cli"},
    "click": {"cli"},
}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


FILES = sorted(p for p in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_upwards(path):
    room = room_of(path)
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "lkm_tune" and rest:
            other = rest.split(".")[0]
            assert other in ALLOWED[room] | {room}, f"{room} must not import {other}"
        if top in HOMES:
            assert room in HOMES[top], f"{room} must not import {top}"


def test_the_numbers_know_no_words():
    """transfer/fit never imports transfer/report."""
    for path in sorted((PACKAGE / "transfer/fit").glob("*.py")):
        words = [name for name in imports(path) if name.startswith("lkm_tune.transfer.report")]
        assert not words, f"{path.name} imports {words}"


def test_every_room_is_listed():
    assert {room_of(path) for path in FILES} == set(ALLOWED)


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def run_imports(tree):
    """The import statements of a file, also within functions, without those for type checkers.

    Imports for type checkers never run, so they may form circles.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.module
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, alias.name
        else:
            yield from run_imports(node)


def import_graph():
    """Module -> the modules of this package that it imports."""
    modules = {module_of(path): ast.parse(path.read_text()) for path in FILES}
    graph = {}
    for name, tree in modules.items():
        found = set()
        for submodule, module in run_imports(tree):
            found |= {submodule if submodule in modules else module} & modules.keys()
        graph[name] = found
    return graph


def test_no_two_files_import_each_other_in_a_circle():
    left = import_graph()
    while free := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in free}
    assert not left, f"these files import each other in a circle: {sorted(left)}"

"""The code that made a result: versions of packages, and the commit of this package."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("lkm-tune", "torch", "torch-geometric", "numpy", "ray", "optuna", "mlflow")


@cache
def package_versions() -> str:
    """The versions that affect results: `python 3.11.2, lkm-tune 0.1.0, torch 2.13.0, …`."""
    found = [f"python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


@cache
def requirements() -> list[str]:
    """The same versions as requirements for pip, for a machine that uses a trained network."""
    return [f"{name}=={version(name)}" for name in ("lkm-tune", "torch", "torch-geometric")]


@cache
def code_commit() -> str:
    """The git commit of this package's checkout, `-dirty` when changed, "" when installed.

    A wheel may be installed inside another repository, so git must track this file.
    """
    file = Path(__file__).resolve()
    git = ("git", "-C", str(file.parent))
    try:
        _output(*git, "ls-files", "--error-unmatch", file.name)
        commit = _output(*git, "rev-parse", "HEAD")
        changed = _output(*git, "status", "--porcelain", "--untracked-files=no", ":/")
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{commit}-dirty" if changed else commit


def _output(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10)
    return done.stdout.strip()

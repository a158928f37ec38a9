"""The kernels in C: compiled once for a machine, stored in the cache folder, loaded at first use.

The models compute the same with torch if there is no compiler, if the cache is not writable or
others can write it, and on other platforms.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from lkm_tune.cache import cache_folder

SOURCE = Path(__file__).with_name("kernels.c")

# -ffast-math is not used: in a library, it changes the arithmetic of the whole process.
OPTIONS = (
    *("-std=c11", "-O3", "-march=native", "-shared", "-fPIC", "-fopenmp-simd"),
    *("-ffp-contract=fast", "-fno-trapping-math", "-ffinite-math-only", "-fno-signed-zeros"),
)

# Number of pointer arguments of each function, after the numbers of rows and columns.
_POINTERS = {
    "lkm_activate": 4,
    "lkm_activate_twice": 5,
    "lkm_activate_back": 4,
    "lkm_rise": 5,
    "lkm_descend": 4,
    "lkm_messages": 7,
    "lkm_messages_back": 10,
    "lkm_messages_twice": 12,
    "lkm_deliver": 7,
    "lkm_deliver_back": 10,
    "lkm_deliver_twice": 14,
}

_logger = logging.getLogger(__name__)


@cache
def kernels() -> ctypes.CDLL | None:
    """The functions of `kernels.c`, or None if they are not available."""
    try:
        return _load(_library())
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        _logger.debug("computing without compiled kernels: %s", error)
        return None


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    for name, pointers in _POINTERS.items():
        function = getattr(library, name)
        function.argtypes = [ctypes.c_size_t] * 2 + [ctypes.c_void_p] * pointers
        function.restype = None
    return library


def _library() -> Path:
    """The compiled file; compiles it if no valid file exists.

    Its name has digests of its recipe and of its content: <recipe>-<content>.so.
    """
    compiler = shutil.which("cc")
    if os.name != "posix" or compiler is None:
        raise FileNotFoundError("there is no C compiler `cc`")
    command = [compiler, *OPTIONS]
    recipe = _digest(SOURCE.read_bytes() + repr((command, _processor())).encode())
    folder = cache_folder() / "kernels"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_private(folder)
    for path in folder.glob(f"{recipe}-*.so"):
        _check_private(path)
        if path.stem == f"{recipe}-{_digest(path.read_bytes())}":
            return path
    # The compiler writes to a temporary folder: another process may compile the file, too.
    with tempfile.TemporaryDirectory(dir=folder) as workshop:
        made = Path(workshop) / "kernels.so"
        subprocess.run(
            [*command, "-o", str(made), str(SOURCE)], check=True, capture_output=True, timeout=60
        )
        made.chmod(0o700)
        return made.replace(folder / f"{recipe}-{_digest(made.read_bytes())}.so")


def _check_private(path: Path) -> None:
    """Refuse a file that another user could have written: it would run with this user's rights."""
    status = path.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{path} must belong to this user, and no other may write it")


def _processor() -> tuple[str, ...]:
    """The kind of processor; nodes of a cluster may share a cache."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return (platform.machine(), platform.processor())
    return (platform.machine(), *sorted({x for x in lines if x.startswith(_OF_A_PROCESSOR)}))


_OF_A_PROCESSOR = ("model name", "flags", "Features", "CPU part")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]

"""Checks study files in child processes, a few at a time."""

import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path

from pydantic import TypeAdapter

from lkm_tune.app import CheckedFile
from lkm_tune.serve.problems import Refused
from lkm_tune.serve.settings import Settings

AT_ONCE, SECONDS = 2, 120.0
"""Checks at a time, and the longest time of one."""

_RESULT = TypeAdapter(CheckedFile)


class Checker:
    """Checks study files for one server."""

    def __init__(self, settings: Settings) -> None:
        """Takes the permissions of submitted studies."""
        self._settings = settings
        self._free = asyncio.Semaphore(AT_ONCE)

    async def check(self, text: str, *, cost: bool = False) -> CheckedFile:
        """The errors or the plan of a study file.

        Raises:
            Refused: if the check takes too long, is ended from outside, or breaks.
        """
        async with self._free:
            with tempfile.TemporaryDirectory(prefix="lkm-tune-check-") as folder:
                path = Path(folder) / "study.yaml"
                path.write_text(text, encoding="utf-8")
                return await self._run(path, cost)

    async def _run(self, path: Path, cost: bool) -> CheckedFile:
        settings = self._settings
        asked = {
            "file": str(path),
            "storage": str(settings.storage),
            "own_models": settings.own_models,
            "data": [str(folder) for folder in settings.data],
            "cost": cost,
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "lkm_tune.serve.check_child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(SECONDS):
                out, said = await child.communicate(json.dumps(asked).encode())
        except TimeoutError as error:
            raise Refused(503, f"the check took longer than {SECONDS:g} s") from error
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode and child.returncode < 0:
            ended_by = signal.strsignal(-child.returncode)
            raise Refused(503, f"the check was ended from outside ({ended_by}): try again")
        if child.returncode:
            lines = said.decode("utf-8", "replace").strip().splitlines()
            raise Refused(422, f"the check broke: {lines[-1] if lines else child.returncode}")
        return _RESULT.validate_json(out)

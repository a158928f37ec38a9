"""What every route uses."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from lkm_tune import app
from lkm_tune.app import CheckedFile
from lkm_tune.serve.answers import AnswerBook
from lkm_tune.serve.cache import Entry, Studies
from lkm_tune.serve.checking import Checker
from lkm_tune.serve.problems import FieldError, Refused
from lkm_tune.serve.secret import Secret
from lkm_tune.serve.settings import Settings

FIRST_READING_SECONDS, NEXT_READING_SECONDS = 30.0, 5.0


@dataclass
class Context:
    """The parts of one server."""

    settings: Settings
    secret: Secret
    studies: Studies
    answers: AnswerBook
    checker: Checker
    streams: int = 0
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def of(cls, settings: Settings) -> "Context":
        """The parts of a server with these settings; none has begun."""
        studies, answers = Studies(settings.storage), AnswerBook(settings.storage)
        return cls(
            settings,
            Secret(settings.token, settings.token_file),
            studies,
            answers,
            Checker(settings),
        )

    async def read(self) -> None:
        """Waits for the first reading of the studies."""
        if not self.studies.ready:
            await asyncio.to_thread(self.studies.wait, FIRST_READING_SECONDS)

    async def entry(self, name: str) -> Entry:
        """A study.

        Raises:
            Refused: if there is none of this name.
        """
        await self.read()
        found = self.studies.get(name)
        if found is None:
            known = ", ".join(entry.name for entry in self.studies.all()) or "none"
            raise Refused(404, f"there is no study {name[:100]!r}; there are: {known}")
        return found

    async def check(self, text: str, *, cost: bool = False) -> CheckedFile:
        """The plan of a study file that may run.

        Raises:
            Refused: with every error of the file, or the differences from its earlier study.
        """
        checked = await self.checker.check(text, cost=cost)
        if checked.errors:
            errors = [FieldError(**vars(error)) for error in checked.errors]
            raise Refused(422, "the study file has errors", errors)
        return checked

    async def start(self, text: str) -> tuple[str, str]:
        """Checks a study file and starts its driver; returns the name and the driver in words.

        Raises:
            Refused: as `check`, and if the study runs already.
        """
        checked = await self.check(text)
        if checked.mixes:
            raise Refused(
                409,
                f"study {checked.name} ran with other settings, and the results are not "
                "comparable: give the study another name",
                [FieldError(key="", detail=one) for one in checked.mixes],
            )
        return checked.name, await asyncio.shield(self._drive(checked.name, text))

    async def go_on(self, name: str) -> str:
        """Starts the driver of a study again; returns the driver in words.

        Raises:
            Refused: if there is no such study, it runs already, or it may not run here.
        """
        await self.entry(name)
        # The study may name a model or a file that this server does not allow.
        text = await asyncio.to_thread(app.stored_file, name, self.settings.storage)
        await self.check(text)
        return await asyncio.shield(self._drive(name, None))

    async def interrupt(self, name: str) -> str:
        """Interrupts the driver of a study; returns the driver in words.

        Raises:
            Refused: if there is no such study, or no driver runs it within reach.
        """
        await self.entry(name)
        settings = self.settings
        try:
            driver = await asyncio.to_thread(
                app.interrupt_study, name, settings.storage, jobs=settings.jobs
            )
        except app.LkmTuneError as error:
            raise Refused(409, str(error)) from error
        await asyncio.to_thread(self.studies.look_again, name, NEXT_READING_SECONDS)
        return driver

    async def _drive(self, name: str, text: str | None) -> str:
        settings = self.settings
        async with self.starting:
            try:
                driver = await asyncio.to_thread(
                    app.start_study, name, settings.storage,
                    text=text, address=settings.address, jobs=settings.jobs,
                )  # fmt: skip
            except app.LkmTuneError as error:
                raise Refused(409, str(error)) from error
        await asyncio.to_thread(self.studies.look_again, name, NEXT_READING_SECONDS)
        return driver


def _context(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


Here = Annotated[Context, Depends(_context)]
"""A parameter of a route: the parts of the server."""

"""The register of openings of the sealed test, beside the sweeps: whoever meets the same test people finds it.

An opening is written down before the first score, so that no crash makes one unseen.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple

import yaml
from filelock import FileLock
from pydantic import Field, ValidationError

from twinverify.config import leaves
from twinverify.durable import told_if_disk_fails, write_text
from twinverify.errors import UserError
from twinverify.fields import explain
from twinverify.settings import Settings
from twinverify.yaml12 import read_yaml

FOLDER: Final = ".sealed"


class Opening(Settings):
    """One opening of the sealed test."""

    number: int
    opened: str
    finished: str | None = None
    sweep: str
    sweep_id: str
    #: Of what was scored: digests of the two configurations.
    winner: str
    default: str
    version: str
    result: str


class Register(Settings):
    """All openings of one test side."""

    format: Literal[1] = 1
    test: str
    openings: list[Opening] = Field(default_factory=list)


class Asked(NamedTuple):
    """Who wants to open the test, and what is to be scored."""

    sweep: str
    sweep_id: str
    winner: str
    default: str
    version: str
    result: str


class Seal:
    """The seal of one test side: broken or not, by whom, and how often."""

    def __init__(self, output: Path, digest: str, known: Sequence[Opening] = ()) -> None:
        """Look at the register of a test side.

        Args:
            output: the folder of the sweeps.
            digest: of the test side.
            known: the openings that the sweep's own results tell of: they count also where the register was lost.

        Raises:
            UserError: the register is damaged.
        """
        self.digest = digest
        self._path = output / FOLDER / f"{digest}.yaml"
        self._known = tuple(known)

    def openings(self) -> list[Opening]:
        """Give all openings, the first one first.

        Raises:
            UserError: the register is damaged.
        """
        by_number = {each.number: each for each in (*self._known, *self._read().openings)}
        return [by_number[number] for number in sorted(by_number)]

    def refuse_if_opened(self, sweep_id: str, *, again: bool) -> None:
        """Refuse a second opening as soon as it is known; an unfinished one of this sweep is to be finished.

        Raises:
            UserError: it has been opened; the line says when, by which sweep, and where the result lies.
        """
        openings = self.openings()
        if again or not openings:
            return
        last = openings[-1]
        if last.finished is not None or last.sweep_id != sweep_id:
            raise _opened(last)

    def open(self, asked: Asked, *, again: bool) -> Opening:
        """Write down that the test is opened; give the last opening where that is this one, not finished yet.

        Raises:
            UserError: it has been opened before, or the disk is full.
        """
        with self._held():
            openings = self.openings()
            last = openings[-1] if openings else None
            if last is not None and last.finished is None and _same(last, asked):
                self._write(openings)
                return last
            if last is not None and not again:
                raise _opened(last)
            opening = Opening(number=1 if last is None else last.number + 1, opened=now(), **asked._asdict())
            self._write([*openings, opening])
            return opening

    def finish(self, opening: Opening) -> Opening:
        """Note that an opening has its result."""
        with self._held():
            done = opening.model_copy(update={"finished": now()})
            self._write([done if each.number == opening.number else each for each in self.openings()])
            return done

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Let nobody else change the register meanwhile."""
        with told_if_disk_fails(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._path.with_suffix(".lock")):
                yield

    def _read(self) -> Register:
        if not self._path.exists():
            return Register(test=self.digest)
        try:
            found: Register = Register.model_validate(read_yaml(self._path))
        except ValidationError as error:
            raise UserError(
                f"{self._path}: {explain(error, leaves(Register))}; it tells whether the sealed test was opened:"
                " restore it"
            ) from None
        return found

    def _write(self, openings: Sequence[Opening]) -> None:
        register = Register(test=self.digest, openings=list(openings))
        write_text(self._path, yaml.safe_dump(register.model_dump(mode="json"), sort_keys=False))


def now() -> str:
    """Give the time as people and programs read it, with the zone."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _same(opening: Opening, asked: Asked) -> bool:
    return (opening.sweep_id, opening.winner, opening.default) == (asked.sweep_id, asked.winner, asked.default)


def _opened(opening: Opening) -> UserError:
    how = "" if opening.finished else ", which did not finish"
    return UserError(
        f"sealed test: opened already on {opening.opened} by sweep {opening.sweep}{how} (opening {opening.number});"
        f" its result: {opening.result}. A second look is no longer a test: again=true takes it and stamps it as"
        f" opening {opening.number + 1}; test=false leaves it closed"
    )

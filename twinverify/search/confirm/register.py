"""The register of openings of the sealed test, beside the sweeps: whoever meets the same test people finds it.

An opening is written down before the first score, so that no crash makes one unseen. The register has a file for each
test side, with what each of its people is known by (`faces.sealed.sealed_people`), so that a test side that shares a
single person with one that was opened is no fresh one. Not covered: openings by sweeps in another output folder; people
whose pictures were all encoded anew; and, of registers written before they named people, all but the same test side.
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
_LOCK: Final = "register.lock"


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
    #: What each person is known by; none in a register from before they were named.
    people: list[str] = Field(default_factory=list)
    openings: list[Opening] = Field(default_factory=list)


class Asked(NamedTuple):
    """Who wants to open the test, and what is to be scored."""

    sweep: str
    sweep_id: str
    winner: str
    default: str
    version: str
    result: str


class Met(NamedTuple):
    """Which of the people other test sides have shown.

    Attributes:
        people: how many.
        last: the last of those openings.
        openings: the greatest number among them.
    """

    people: int
    last: Opening
    openings: int


class Seal:
    """The seal of one test side: broken or not, by whom, and how often."""

    def __init__(self, output: Path, digest: str, known: Sequence[Opening] = (), people: Sequence[str] = ()) -> None:
        """Look at the register of a test side.

        Args:
            output: the folder of the sweeps.
            digest: of the test side.
            known: the openings that the sweep's own results tell of: they count also where the register was lost.
            people: what each of the test people is known by, one or several marks with spaces between.

        Raises:
            UserError: the register is damaged.
        """
        self.digest = digest
        self._path = output / FOLDER / f"{digest}.yaml"
        self._known = tuple(known)
        self._people = tuple(people)

    def openings(self) -> list[Opening]:
        """Give all openings, the first one first.

        Raises:
            UserError: the register is damaged.
        """
        by_number = {each.number: each for each in (*self._known, *self._read(self._path).openings)}
        return [by_number[number] for number in sorted(by_number)]

    def met(self) -> Met | None:
        """Tell how many of the people openings of other test sides have shown; None: nobody.

        Raises:
            UserError: a register is damaged.
        """
        shown: list[Opening] = []
        people: set[str] = set()
        for path in sorted(self._path.parent.glob("[!.]*.yaml")):
            register = self._read(path)
            if path == self._path or not register.openings:
                continue
            marks = {mark for person in register.people for mark in person.split()}
            again = {person for person in self._people if not marks.isdisjoint(person.split())}
            if again:
                people |= again
                shown += register.openings
        if not shown:
            return None
        last = max(shown, key=lambda each: datetime.fromisoformat(each.opened))
        return Met(len(people), last, max(each.number for each in shown))

    def refuse_if_opened(self, sweep_id: str, *, again: bool) -> None:
        """Refuse a second opening as soon as it is known; an unfinished one of this sweep is to be finished.

        Raises:
            UserError: it, or a test side with some of its people, has been opened; the line says when, by which sweep,
                and where the result lies.
        """
        if again:
            return
        openings = self.openings()
        if openings:
            last = openings[-1]
            if last.finished is not None or last.sweep_id != sweep_id:
                raise _opened(last)
        elif (met := self.met()) is not None:
            raise self._met_before(met)

    def open(self, asked: Asked, *, again: bool) -> Opening:
        """Write down that the test is opened; give the last opening where that is this one, not finished yet.

        Raises:
            UserError: it, or a test side with some of its people, has been opened before, or the disk is full.
        """
        with self._held():
            openings = self.openings()
            last = openings[-1] if openings else None
            if last is not None and last.finished is None and _same(last, asked):
                self._write(openings)
                return last
            if last is not None and not again:
                raise _opened(last)
            met = self.met()
            if met is not None and not again:
                raise self._met_before(met)
            number = 1 + max(0 if last is None else last.number, 0 if met is None else met.openings)
            opening = Opening(number=number, opened=now(), **asked._asdict())
            self._write([*openings, opening])
            return opening

    def finish(self, opening: Opening) -> Opening:
        """Note that an opening has its result; where that is written as finished already, with the same time."""
        with self._held():
            done = finished(opening)
            self._write([done if each.number == opening.number else each for each in self.openings()])
            return done

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Let nobody else change the register meanwhile."""
        with told_if_disk_fails(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # One for all test sides: two that share people are not opened at once.
            with FileLock(self._path.with_name(_LOCK)):
                yield

    def _met_before(self, met: Met) -> UserError:
        last = met.last
        how = "" if last.finished else ", which did not finish"
        return UserError(
            f"sealed test: {met.people} of its {len(self._people)} people have been met in the sealed test of other"
            f" people, the last time on {last.opened} by sweep {last.sweep}{how} (opening {last.number}); its result:"
            f" {last.result}. A second look is no longer a test: again=true takes it and stamps it as opening"
            f" {met.openings + 1}; test=false leaves it closed"
        )

    def _read(self, path: Path) -> Register:
        if not path.exists():
            return Register(test=self.digest)
        try:
            found: Register = Register.model_validate(read_yaml(path))
        except ValidationError as error:
            raise UserError(
                f"{path}: {explain(error, leaves(Register))}; it tells whether the sealed test was opened: restore it"
            ) from None
        return found

    def _write(self, openings: Sequence[Opening]) -> None:
        people = list(self._people) or self._read(self._path).people
        register = Register(test=self.digest, people=people, openings=list(openings))
        write_text(self._path, yaml.safe_dump(register.model_dump(mode="json"), sort_keys=False))


def finished(opening: Opening) -> Opening:
    """Give an opening as it is once its result is written; one that is finished stays as it is."""
    return opening if opening.finished else opening.model_copy(update={"finished": now()})


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

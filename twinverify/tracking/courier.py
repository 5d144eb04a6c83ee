"""Brings records to MLflow in a thread of its own: whoever hands them over never waits, and an outage is sat out."""

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Generic, Protocol, TypeVar

from twinverify.errors import UserError
from twinverify.tracking.record import Record, Snapshot

_FIRST_DELAY: Final = 1.0
_LONGEST_DELAY: Final = 30.0
_LONGEST_REASON: Final = 300


class Runs(Protocol):
    """Where records are delivered to; made anew after each failure."""

    def deliver(self, trial: Record) -> None:
        """Write what the store lacks of a record."""


RunsT = TypeVar("RunsT", bound=Runs)


class Courier(Generic[RunsT]):
    """Delivers the latest snapshot of each record, in the order of their numbers.

    After a failure of any kind it drops the connection and all that it believes of the store, tries again after 1 s,
    2 s, … 30 s, and then delivers every record that it was ever given: `Runs` writes only what lacks.
    """

    def __init__(self, connect: Callable[[], RunsT], *, told: Callable[[str | None], None]) -> None:
        """Start with nothing to deliver, and no connection.

        Args:
            connect: finds or makes what is delivered to; called in the courier's thread.
            told: called in that thread with the reason when the store is away, and with None when all that waited for
                it has been delivered.
        """
        self._connect, self._told = connect, told
        self._runs: RunsT | None = None
        self._latest: dict[int, Snapshot] = {}
        #: Numbers of the records of which this connection has not delivered the latest snapshot.
        self._waiting: set[int] = set()
        #: What was once delivered, whatever became of the store.
        self._delivered: dict[int, Snapshot] = {}
        self._last: Callable[[RunsT], None] | None = None
        self._hurries = self._closed = False
        self._trouble: str | None = None
        self._delay, self._not_before = _FIRST_DELAY, 0.0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="courier", daemon=True)

    def take(self, record: Record) -> None:
        """Have a record delivered as it is now; returns at once."""
        snapshot = Snapshot.of(record)
        with self._changed:
            if self._closed or self._latest.get(record.number) == snapshot:
                return
            self._latest[record.number] = snapshot
            self._waiting.add(record.number)
            if not self._thread.ident:
                self._thread.start()
            self._changed.notify_all()

    def finish(self, last: Callable[[RunsT], None] | None, seconds: float, *, at_most: float = math.inf) -> str | None:
        """Wait until all is delivered, then have `last` done, and stop.

        Args:
            last: what to do at the very end; called in the courier's thread, again after a failure in it.
            seconds: how long to wait while nothing gets on.
            at_most: how long to wait in all.

        Returns:
            None if all is there, else why not.
        """
        with self._changed:
            if not self._latest:
                return None
            self._last, self._hurries = last, True
            # Now or never: an outage is not waited out any more.
            self._delay, self._not_before = _FIRST_DELAY, 0.0
            self._changed.notify_all()
            self._wait(seconds, at_most)
            self._closed = True
            self._changed.notify_all()
            if not self._is_done():
                return self._trouble or "it takes too long"
        # It may yet have to tell that the store is back.
        self._thread.join(seconds)
        return None

    @property
    def outstanding(self) -> int:
        """The number of records of which the latest was never delivered."""
        with self._changed:
            return sum(self._delivered.get(number) is not each for number, each in self._latest.items())

    def _wait(self, seconds: float, at_most: float) -> None:
        now = time.monotonic()
        end, patience, least = now + at_most, now + seconds, len(self._waiting)
        while not (self._is_done() or self._closed) and (now := time.monotonic()) < min(end, patience):
            self._changed.wait(min(end, patience) - now)
            if len(self._waiting) < least:
                least, patience = len(self._waiting), time.monotonic() + seconds

    def _is_done(self) -> bool:
        return not self._waiting and self._last is None

    def _work(self) -> None:
        while self._wait_for_work():
            try:
                self._runs = self._runs or self._connect()
                self._do_next(self._runs)
            except Exception as error:
                self._fail(short_reason(error))

    def _wait_for_work(self) -> bool:
        """Wait until there is something to do; False once there never will be."""
        with self._changed:
            while not self._closed:
                pause = self._not_before - time.monotonic()
                if pause <= 0 and not self._is_done():
                    return True
                self._changed.wait(pause if pause > 0 else None)
            return False

    def _do_next(self, runs: RunsT) -> None:
        with self._changed:
            snapshot = self._latest[min(self._waiting)] if self._waiting else None
            last = self._last
        began = time.thread_time()
        if snapshot is not None:
            runs.deliver(snapshot)
        elif last is not None:
            last(runs)
        self._succeed(snapshot, time.thread_time() - began)

    def _succeed(self, snapshot: Snapshot | None, computed: float) -> None:
        with self._changed:
            # While the sweep runs, its own thread gets the processor for as long: what it reports meanwhile goes in one
            # delivery. A wait for the store costs nobody anything.
            if not self._hurries:
                self._not_before = time.monotonic() + computed
            if snapshot is None:
                self._last = None
            else:
                self._delivered[snapshot.number] = snapshot
                if self._latest[snapshot.number] is snapshot:
                    self._waiting.discard(snapshot.number)
            # Not at the first success: a full disk can be read.
            is_back = self._trouble is not None and self._is_done() and not self._closed
            if is_back:
                self._trouble, self._delay = None, _FIRST_DELAY
            self._changed.notify_all()
        if is_back:
            self._tell(None)

    def _fail(self, reason: str) -> None:
        self._runs = None
        with self._changed:
            self._waiting = set(self._latest)
            self._not_before = time.monotonic() + self._delay
            self._delay = min(2 * self._delay, _LONGEST_DELAY)
            is_new = self._trouble is None and not self._closed
            self._trouble = reason
        if is_new:
            self._tell(reason)

    def _tell(self, reason: str | None) -> None:
        with suppress(Exception):  # a terminal that has gone must not end the deliveries
            self._told(reason)


def short_reason(error: BaseException) -> str:
    """Give the reason of a failure in one line: MLflow wraps the cause into its own, long words."""
    if not isinstance(error, UserError) or error.__cause__ is not None:
        seen = {id(error)}
        while (inner := error.__cause__ or error.__context__) is not None and id(inner) not in seen:
            error = inner
            seen.add(id(error))
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    # urllib3's words; MLflow's server answers so where it has lost its database.
    text = text.replace("too many 503 error responses", "the server answers, but not its database: start that again")
    return " ".join(text.split())[:_LONGEST_REASON]

"""The courier alone: it never blocks who hands over, tells each outage once, and delivers all after it, in order."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from filled_store import trial

from twinverify.errors import UserError
from twinverify.search.state import Trial
from twinverify.tracking import courier as module
from twinverify.tracking.courier import Courier


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(module, "_LONGEST_DELAY", 0.04)


class Place:
    """A store that keeps the number of epochs of each trial, and fails when it is told to."""

    def __init__(self) -> None:
        self.epochs: dict[int, int] = {}
        self.delivered: list[tuple[int, int]] = []
        self.told: list[str | None] = []
        self.connected = 0
        self.away: Exception | None = None
        self.hangs = threading.Event()
        self.hangs.set()
        self.courier: Courier[Any] = Courier(self.connect, told=self.told.append)

    def connect(self) -> "Place":
        self.connected += 1
        self._answer()
        return self

    def deliver(self, record: Any) -> None:
        self._answer()
        self.delivered.append((record.number, len(record.reports)))
        self.epochs[record.number] = len(record.reports)

    def last(self, runs: "Place") -> None:
        self._answer()
        self.delivered.append((-1, -1))

    def _answer(self) -> None:
        self.hangs.wait()
        if self.away:
            raise self.away


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.away = None
    made.hangs.set()
    made.courier.finish(None, 1)


def wait_for(true: Callable[[], Any], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_what_is_taken_is_delivered(place: Place) -> None:
    for epochs in (0, 1, 2):
        place.courier.take(trial(0, epochs))
    place.courier.take(trial(1, 1))
    assert place.courier.finish(place.last, 5) is None
    assert place.epochs == {0: 2, 1: 1}
    assert place.delivered[-1] == (-1, -1)
    assert (place.connected, place.told, place.courier.outstanding) == (1, [], 0)


def test_taking_returns_though_the_store_hangs_and_so_does_finishing(place: Place) -> None:
    place.hangs.clear()
    start = time.monotonic()
    for epochs in range(100):
        place.courier.take(trial(0, epochs))
    assert place.courier.finish(place.last, 0.1) == "it takes too long"
    assert time.monotonic() - start < 1
    assert place.courier.outstanding == 1


def test_what_is_taken_is_taken_as_it_is_then(place: Place) -> None:
    place.hangs.clear()
    record = trial(0, 1)
    place.courier.take(record)
    record.reports.append({})
    record.reported_at.append(0.0)
    place.hangs.set()
    wait_for(lambda: place.delivered)
    assert place.delivered == [(0, 1)]


def test_what_a_delivery_computes_is_left_to_others_before_the_next_but_not_at_the_end(place: Place) -> None:
    """A busy store's client must not take the processor from the sweep: meanwhile reports are gathered."""
    burnt, begun = 0.2, list[float]()

    def deliver(record: Any) -> None:
        begun.append(time.monotonic())
        end = time.thread_time() + burnt
        while time.thread_time() < end:
            pass

    place.deliver = deliver  # type: ignore[method-assign]
    for epochs in range(3):
        place.courier.take(trial(0, epochs))
        wait_for(lambda: len(begun) > epochs)  # noqa: B023
    assert min(later - sooner for sooner, later in pairwise(begun)) > 1.9 * burnt
    for number in (1, 2):
        place.courier.take(trial(number, 1))
    assert place.courier.finish(None, 5) is None
    assert len(begun) == 5
    assert place.courier._not_before == 0


def test_the_same_record_again_is_nothing_to_do(place: Place) -> None:
    for _ in range(3):
        place.courier.take(trial(0, 2))
        wait_for(lambda: not place.courier.outstanding)
    assert place.delivered == [(0, 2)]


def test_waiting_records_are_delivered_by_their_numbers_each_only_as_it_is_last(place: Place) -> None:
    place.hangs.clear()
    place.courier.take(trial(0, 1))
    wait_for(lambda: place.connected)
    for number, epochs in ((3, 1), (1, 1), (3, 2), (2, 1), (0, 2)):
        place.courier.take(trial(number, epochs))
    place.hangs.set()
    assert place.courier.finish(None, 5) is None
    assert [each for each in place.delivered if each != (0, 1)] == [(0, 2), (1, 1), (2, 1), (3, 2)]


def test_an_outage_is_told_once_and_its_end_once_everything_is_there(place: Place) -> None:
    place.courier.take(trial(0, 1))
    place.courier.take(trial(1, 1))
    wait_for(lambda: not place.courier.outstanding)
    place.away = ConnectionRefusedError(111, "Connection refused")
    place.courier.take(trial(1, 2))
    wait_for(lambda: place.connected > 3)
    place.courier.take(trial(2, 1))
    assert place.told == ["Connection refused"]
    assert place.courier.outstanding == 2
    place.away = None
    wait_for(lambda: len(place.told) > 1)
    assert place.told == ["Connection refused", None]
    # All of them, since nothing is known of the store any more.
    assert place.delivered[-3:] == [(0, 1), (1, 2), (2, 1)]
    assert place.courier.outstanding == 0


def test_a_store_that_can_only_be_read_is_one_outage(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def deliver(record: Any) -> None:
        if record.number:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(place, "deliver", deliver)
    place.courier.take(trial(0, 1))
    place.courier.take(trial(1, 1))
    wait_for(lambda: place.connected > 4)
    assert place.told == ["No space left on device"]


def test_it_tries_again_ever_more_seldom(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []

    def connect() -> Place:
        tried.append(time.monotonic())
        raise OSError("away")

    slow: Courier[Any] = Courier(connect, told=place.told.append)
    slow.take(trial(0))
    wait_for(lambda: len(tried) > 5)
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert pauses[0] >= 0.01
    assert pauses[1] >= 0.02
    assert all(pause >= 0.04 for pause in pauses[2:])
    assert slow.finish(None, 0.05) == "away"


def test_the_end_tries_at_once_and_gives_up_in_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_DELAY", 60)
    monkeypatch.setattr(module, "_FIRST_DELAY", 60)
    place.away = OSError("away")
    courier: Courier[Any] = Courier(place.connect, told=place.told.append)
    courier.take(trial(0, 1))
    wait_for(lambda: place.told)
    start = time.monotonic()
    assert courier.finish(place.last, 0.1) == "away"
    assert 0.1 <= time.monotonic() - start < 1
    assert (place.connected, place.told) == (2, ["away"])
    assert courier.outstanding == 1

    other: Courier[Any] = Courier(place.connect, told=place.told.append)
    other.take(trial(0, 1))
    wait_for(lambda: len(place.told) > 1)
    place.away = None
    assert other.finish(place.last, 0.5) is None
    assert place.told == ["away", "away", None]


def test_the_end_has_patience_with_a_store_that_gets_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = place.deliver

    def slow(record: Any) -> None:
        time.sleep(0.04)
        real(record)

    monkeypatch.setattr(place, "deliver", slow)
    for number in range(8):
        place.courier.take(trial(number, 1))
    assert place.courier.finish(place.last, 0.2) is None
    assert len(place.epochs) == 8


def test_but_no_longer_than_it_was_given_in_all(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "deliver", lambda record: time.sleep(0.05))
    for number in range(100):
        place.courier.take(trial(number, 1))
    start = time.monotonic()
    assert place.courier.finish(place.last, 0.1, at_most=0.2) == "it takes too long"
    assert time.monotonic() - start < 1
    assert place.courier.outstanding > 90


def test_a_failure_in_the_last_step_has_it_done_again_after_all_else(place: Place) -> None:
    place.courier.take(trial(0, 1))
    failures = [OSError("away")]

    def last(runs: Place) -> None:
        if failures:
            raise failures.pop()
        place.last(runs)

    assert place.courier.finish(last, 5) is None
    assert place.delivered == [(0, 1), (0, 1), (-1, -1)]
    assert place.told == ["away", None]


def test_a_last_step_that_always_fails_is_one_outage(place: Place) -> None:
    place.courier.take(trial(0, 1))

    def last(runs: Place) -> None:
        raise OSError(30, "Read-only file system")

    assert place.courier.finish(last, 0.2) == "Read-only file system"
    assert place.connected > 2
    assert place.told == ["Read-only file system"]


def test_a_listener_that_fails_ends_no_delivery(place: Place) -> None:
    def told(reason: str | None) -> None:
        raise BrokenPipeError

    courier: Courier[Any] = Courier(place.connect, told=told)
    place.away = OSError("away")
    courier.take(trial(0, 1))
    wait_for(lambda: place.connected > 2)
    place.away = None
    assert courier.finish(place.last, 5) is None
    assert place.epochs == {0: 1}


def test_without_a_record_the_store_is_never_asked(place: Place) -> None:
    assert place.courier.finish(place.last, 5) is None
    assert (place.connected, place.delivered) == (0, [])


def test_after_the_end_nothing_is_taken_told_or_done(place: Place) -> None:
    place.courier.take(trial(0, 1))
    place.away = OSError("away")
    assert place.courier.finish(None, 0.02) in ("away", None)
    told, connected = list(place.told), place.connected
    place.courier.take(trial(1, 1))
    time.sleep(0.1)
    assert (place.told, place.connected) == (told, connected)


def wrapped() -> Exception:
    try:
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError as error:
            raise RuntimeError("API request to http://127.0.0.1:5000/api/2.0/mlflow/runs failed") from error
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (wrapped(), "Connection refused"),
        (OSError(28, "No space left on device", "/store/x"), "No space left on device"),
        (UserError("experiment twins was deleted"), "experiment twins was deleted"),
        (ValueError("two\n lines"), "two lines"),
        (TimeoutError(), "TimeoutError"),
        (OSError("too many 503 error responses"), "the server answers, but not its database: start that again"),
        (ValueError("x" * 1000), "x" * 300),
    ],
)
def test_the_reason_is_the_innermost_in_one_line(place: Place, error: Exception, reason: str) -> None:
    place.away = error
    place.courier.take(Trial(0, {}, 0.0))
    wait_for(lambda: place.told)
    assert place.told == [reason]

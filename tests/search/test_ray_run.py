"""The runs that Ray is asked for, one after the other where its servers die; no Ray is started here."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune.error import TuneError

from twinverify.config import load_config
from twinverify.errors import UserError
from twinverify.search import ray_run
from twinverify.search.ray_ends import Aborted, AllDone, RayDied
from twinverify.search.ray_run import MAX_SERVER_DEATHS, run_trials
from twinverify.search.resources import Resources
from twinverify.search.space import load_space
from twinverify.search.state import SweepState, Trial
from twinverify.search.study import SweepStudy

EER = "val/twin_eer"
SPACE = load_space("glca_heads", load_config("tiny"))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SweepState]:
    made = SweepState(tmp_path, SweepStudy(SPACE, "random", 0), None, objective=EER, epochs=2)
    yield made
    made.close()


@pytest.fixture
def rays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is noted of Rays that were started and ended."""
    noted: list[str] = []

    @contextmanager
    def running_ray(resources: Resources, folder: Path, *, loads: Sequence[str], dashboard: bool) -> Iterator[Path]:
        noted.append("started with a dashboard" if dashboard else "started")
        try:
            yield tmp_path
        finally:
            noted.append("ended")

    monkeypatch.setattr(ray_run, "running_ray", running_ray)
    return noted


def task(trial: Trial) -> Any:
    return {"trial": trial.number, "values": trial.values}


def started(state: SweepState, monkeypatch: pytest.MonkeyPatch, tune_run: Any, **options: Any) -> None:
    monkeypatch.setattr(tune, "run", tune_run)
    shares = Resources(cpus=2, gpus=0, cpus_per_trial=1, gpus_per_trial=0, slots=2)
    run_trials(state, task, folder=Path("sweep"), trials=4, resources=shares, **options)


def raises(error: BaseException) -> Any:
    def run(*_: Any, **__: Any) -> None:
        raise error

    return run


def test_ray_is_never_the_one_who_says_how_many_or_how_often(
    state: SweepState, monkeypatch: pytest.MonkeyPatch, rays: list[str]
) -> None:
    asked: dict[str, Any] = {}
    started(state, monkeypatch, lambda *_, **options: asked.update(options))
    # Each of four trials may need four workers, and one more call tells that all is done.
    assert asked["num_samples"] > 4 * 4
    assert asked["max_failures"] == 0


@pytest.mark.parametrize("error", [AllDone(), None])
def test_when_all_is_done_ray_ends(
    state: SweepState, monkeypatch: pytest.MonkeyPatch, rays: list[str], error: BaseException | None
) -> None:
    started(state, monkeypatch, raises(error) if error else lambda *_, **__: None)
    assert rays == ["started", "ended"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("journal.jsonl: cannot be written; make room"), "journal.jsonl: cannot be written; make room"),
        (OSError(28, "No space left on device", "/x/metrics.jsonl"), "/x/metrics.jsonl: cannot be written (No space"),
    ],
    ids=["ours", "the disk's"],
)
@pytest.mark.parametrize("way", ["carried", "as Ray does it", "twice"])
def test_an_error_of_our_hooks_comes_out_of_ray_as_a_line_for_people(
    state: SweepState, monkeypatch: pytest.MonkeyPatch, rays: list[str], error: Exception, line: str, way: str
) -> None:
    def wraps(*_: Any, **__: Any) -> None:
        if way == "carried":
            raise Aborted(error)
        try:
            try:
                raise error
            except Exception as inner:
                if way == "twice":
                    raise ValueError("between") from inner
                raise
        except Exception:
            raise TuneError("Traceback (most recent call last) …")  # noqa: B904 - as Ray does it

    with pytest.raises(UserError) as caught:
        started(state, monkeypatch, wraps)
    assert str(caught.value).startswith(line)
    assert rays == ["started", "ended"]


@pytest.mark.parametrize("error", [TuneError("something else"), Aborted(ZeroDivisionError("a bug"))])
def test_other_errors_stay_what_they_are(
    state: SweepState, monkeypatch: pytest.MonkeyPatch, rays: list[str], error: BaseException
) -> None:
    with pytest.raises((TuneError, ZeroDivisionError), match=r"something else|a bug"):
        started(state, monkeypatch, raises(error))


def test_where_the_dashboard_is_is_told_at_each_start_of_ray_and_there_is_none_unasked(
    state: SweepState, monkeypatch: pytest.MonkeyPatch, rays: list[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(ray_run, "dashboard_address", lambda: "http://127.0.0.1:8265")
    told: list[tuple[str, Path]] = []
    started(state, monkeypatch, lambda *_, **__: None)
    started(state, monkeypatch, lambda *_, **__: None, on_dashboard=lambda *where: told.append(where))
    assert rays == ["started", "ended", "started with a dashboard", "ended"]
    assert told == [("http://127.0.0.1:8265", tmp_path / "token")]


def test_when_a_server_of_ray_dies_ray_is_started_anew_and_all_goes_on(
    state: SweepState, monkeypatch: pytest.MonkeyPatch, rays: list[str]
) -> None:
    state.draw()
    told: list[str] = []
    opened: list[list[int]] = []

    def dies_twice(*_: Any, **options: Any) -> None:
        opened.append([trial.number for trial in options["search_alg"]._open])
        if len(opened) < 3:
            raise RayDied("raylet (killed by signal 9)")

    started(state, monkeypatch, dies_twice, on_restart=told.append)
    assert rays == ["started", "ended"] * 3
    assert opened == [[0]] * 3
    assert told == ["raylet (killed by signal 9)"] * 2


def test_servers_that_die_without_a_report_in_between_stop_the_sweep(
    state: SweepState, monkeypatch: pytest.MonkeyPatch, rays: list[str]
) -> None:
    with pytest.raises(UserError, match=r"its server gcs_server \(exit status 1\) died again and again"):
        started(state, monkeypatch, raises(RayDied("gcs_server (exit status 1)")))
    assert len(rays) == 2 * (MAX_SERVER_DEATHS + 1)


def test_servers_that_die_now_and_then_stop_no_sweep(
    state: SweepState, monkeypatch: pytest.MonkeyPatch, rays: list[str]
) -> None:
    def dies_at_each_epoch(*_: Any, **__: Any) -> None:
        if len(rays) < 20:
            trial = state.draw()
            assert trial is not None
            state.report(trial.number, 1, {EER: 0.5})
            raise RayDied("raylet (killed by signal 9)")

    started(state, monkeypatch, dies_at_each_epoch)

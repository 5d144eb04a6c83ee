"""A disk that fills up under a sweep stops it with one line; with room again nothing is lost."""

from collections.abc import Callable
from pathlib import Path

from command_line import Store, Sweep, call
from test_interrupted import events

from twinverify.config import flatten, load_config
from twinverify.search.checkpoint_size import checkpoint_size

TRIALS = 3
#: Memory is given to files in pages; journal, metrics, configurations, logs, versions and pictures take some.
BESIDE = 320_000

Resize = Callable[[int], None]


def only_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_a_full_disk_is_one_line_and_with_room_again_the_sweep_ends_as_if_nothing_had_been(
    sweep: Sweep, small_disk: tuple[Path, Resize], tmp_path: Path
) -> None:
    disk, resize = small_disk
    last, best = checkpoint_size(load_config(sweep.folder / "00000" / "config.yaml"), 22)
    # Trial 0 fits, at its fullest; what is kept of it and two more do not.
    resize(2 * (last + best) + BESIDE)
    store = Store(tmp_path / "store")
    same = [word for word in sweep.words if not word.startswith(("tracking", "output", "trials", "tensorboard"))]
    words = (*same, f"trials={TRIALS}", f"output={disk}", f"cache={tmp_path / 'cache'}", f"tracking={store.uri}")
    full = call(*words, cwd=tmp_path)
    assert full.status == 2, full.err
    (line,) = only_lines(full.err)
    assert "No space left on device" in line
    assert line.endswith("make room and continue the sweep: nothing is lost")
    assert "Traceback" not in full.out + full.err
    folder = disk / "glca_heads"
    before = events(folder)
    whole = [event for event in events(sweep.folder) if event[1] < TRIALS]
    assert len([event for event in before if event[1] == 0]) == 5, "trial 0 came to its end"
    assert len(before) < len(whole)
    assert "failed" not in {event[0] for event in before}, "no trial is to blame"

    resize(64 * 2**20)
    done = call("tune", "resume=glca_heads", f"output={disk}", cwd=tmp_path)
    assert done.status == 0, done.err
    assert events(folder) == whole
    for number in range(TRIALS):
        ours, theirs = (load_config(place / f"{number:05d}" / "config.yaml") for place in (folder, sweep.folder))
        assert flatten(ours) == flatten(theirs)
    assert len(store.trials()) == TRIALS
    for run, other in zip(store.trials(), sweep.store.trials(), strict=False):
        assert run.info.status == "FINISHED"
        for metric in other.data.metrics:
            assert store.steps(run, metric) == sweep.store.steps(other, metric), metric
    assert not [path for path in disk.rglob(".*") if path.name.startswith((".tmp", ".last", ".best"))]

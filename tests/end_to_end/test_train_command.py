"""One training through the command line."""

import re
import shutil
from pathlib import Path

from command_line import SMALL, Store, call

FAST = ("config=tiny", "epochs=2", "threads=1", *SMALL)


def losses(out: str) -> list[str]:
    return re.findall(r"train/loss ([-\d.]+), val/twin_eer ([\d.]+)", out)  # type: ignore[return-value]


def test_it_trains_and_tracks_one_run(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    done = call("train", *FAST, f"tracking={store.uri}", "output=out", "cache=cache", cwd=tmp_path)
    assert done.status == 0, done.err
    assert done.err == ""
    (run,) = store.runs("twin-verification-training")
    assert run.info.status == "FINISHED"
    assert run.data.params["train.epochs"] == "2"
    assert store.steps(run, "train/loss") == [1, 2]
    assert (tmp_path / "out" / "best.safetensors").exists()
    # With its folder a training is gone: the next is another, and does not stand behind this one's figures.
    shutil.rmtree(tmp_path / "out")
    assert call("train", *FAST, f"tracking={store.uri}", "output=out", "cache=cache", cwd=tmp_path).status == 0
    assert len(store.runs("twin-verification-training")) == 2


def test_the_same_seed_gives_the_same_numbers_and_tracking_off_leaves_no_store(tmp_path: Path) -> None:
    first, second, other = (
        call("train", *FAST, "tracking=off", f"output=out{n}", f"seed={seed}", "cache=cache", cwd=tmp_path)
        for n, seed in enumerate((0, 0, 1))
    )
    assert losses(first.out) == losses(second.out)
    assert len(losses(first.out)) == 2
    assert losses(first.out) != losses(other.out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "out0", "out1", "out2"]


def test_help_names_every_key(tmp_path: Path) -> None:
    for command in ("train", "tune"):
        done = call(command, "--help", cwd=tmp_path)
        assert done.status == 0
        assert "model.glca.local_ratio" in done.out
        assert "tracking" in done.out
    assert list(tmp_path.iterdir()) == []

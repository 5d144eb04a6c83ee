"""What else a sweep can be told: another sampler, no early stopping, a time limit."""

from pathlib import Path

from command_line import SMALL, Finished, Store, Sweep, call
from store_assertions import ends, of_trials

from twinverify.config import load_config, with_values
from twinverify.search.space import load_space
from twinverify.search.study import SweepStudy


def swept(folder: Path, space: str, *words: str) -> Sweep:
    """Run a sweep without tracking."""
    all_words = ("tune", f"space={space}", "config=tiny", "concurrency=1", "output=runs", "tracking=off", *words)
    finished: Finished = call(*all_words, *SMALL, cwd=folder)
    return Sweep(finished, folder / "runs" / Path(space).stem, Store(folder / "no store"), all_words)


def drawn(sweep: Sweep) -> list[dict]:
    return [entry["values"] for _, entry in sorted(of_trials(sweep, "drawn").items())]


def test_a_grid_without_early_stopping_runs_each_point_to_its_end(tmp_path: Path) -> None:
    # A learning rate of 10 learns nothing: early stopping would have none of it.
    (tmp_path / "rates.yaml").write_text("train.lr: {choice: [0.002, 10.0]}\n")
    sweep = swept(tmp_path, "rates.yaml", "sampler=grid", "scheduler=none", "trials=4", "epochs=3")
    assert sweep.finished.status == 0, sweep.finished.err
    # The default, and the two points; there is no fourth.
    assert drawn(sweep) == [{"train.lr": 0.001}, {"train.lr": 0.002}, {"train.lr": 10.0}]
    assert ends(sweep) == dict.fromkeys(range(3), "completed")
    assert {entry["epoch"] for entry in of_trials(sweep, "reported").values()} == {3}


def test_random_draws_do_not_look_at_results(tmp_path: Path) -> None:
    # TPE draws its first eight by chance as well.
    sweep = swept(tmp_path, "glca_heads", "sampler=random", "trials=11", "epochs=1", "seed=3")
    assert sweep.finished.status == 0, sweep.finished.err
    values = {key: int(value) for key, value in (word.split("=") for word in SMALL)}
    config = with_values(load_config("tiny"), values)
    blind = SweepStudy(load_space("glca_heads", config), "random", 3)
    assert drawn(sweep) == [blind.draw(number) for number in range(11)]


def test_a_budget_ends_the_drawing_but_not_the_default(tmp_path: Path) -> None:
    sweep = swept(tmp_path, "glca_heads", "budget=1s", "trials=50", "epochs=1")
    assert sweep.finished.status == 0, sweep.finished.err
    ended = ends(sweep)
    assert ended[0] == "completed"
    assert set(ended.values()) == {"completed"}
    assert len(ended) < 25
    assert "Best: trial" in sweep.finished.out

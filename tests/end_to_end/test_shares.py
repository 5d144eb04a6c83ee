"""Trials as Ray resources: shares of a GPU, logical ones here."""

import json
from pathlib import Path

from command_line import SMALL, call

#: Runs outside pytest, in a process that may start Ray: eight trials want a quarter of one GPU each.
_EIGHT_AT_ONE_GPU = """
import sys, time
from pathlib import Path
from twinverify.environment import prepare
prepare()
from ray import tune
from twinverify.search.ray_run import run_trials
from twinverify.search.resources import Resources
from twinverify.search.rungs import Rungs
from twinverify.search.state import SweepState

class Numbers:
    def draw(self, number): return {}
    def add(self, number, values): pass
    def report(self, number, epoch, value): pass
    def end(self, number, state, value): pass

class Waits(tune.Trainable):
    def setup(self, config):
        self.config, self.epoch = config, 0
    def reset_config(self, config):
        self.setup(config)
        return True
    def wait_for_four(self):
        # Four actors never start at the same time: the first three stay until the fourth is there.
        here = Path(self.config["times"]).parent
        (here / f"trial-{self.config['trial']}").touch()
        end = time.time() + 60
        while len(list(here.glob("trial-*"))) < 4 and time.time() < end:
            time.sleep(0.05)
        # And a fifth, if Ray lets it, has the time to come.
        time.sleep(2 if self.config["trial"] < 4 else 0)
    def step(self):
        self.epoch += 1
        began = time.time()
        if self.epoch == 1:
            self.wait_for_four()
        time.sleep(0.7)
        with open(self.config["times"], "a") as file:
            file.write(f"{began} {time.time()}\\n")
        return {"epoch": self.epoch, "metrics": {"val/twin_eer": 0.5}}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    # Our own count would allow eight: what holds them back is Ray.
    shares = Resources(cpus=8, gpus=1, cpus_per_trial=1, gpus_per_trial=0.25, slots=8)
    state = SweepState(folder, Numbers(), None, objective="val/twin_eer", epochs=2)
    task = lambda trial: {"trial": trial.number, "times": str(folder / "times")}
    run_trials(state, task, folder=folder, trials=10, resources=shares, actor=Waits)
    assert all(trial.state == "completed" for trial in state.trials)
"""


def most_at_once(spans: list[tuple[float, float]]) -> int:
    edges = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    running = most = 0
    for _, change in edges:
        running += change
        most = max(most, running)
    return most


def test_four_trials_share_one_gpu_and_never_five(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = tmp_path / "eight.py"
    script.write_text(_EIGHT_AT_ONE_GPU)
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, timeout=200, cwd=tmp_path)
    spans = [tuple(map(float, line.split())) for line in (tmp_path / "times").read_text().splitlines()]
    assert len(spans) == 20
    assert most_at_once(spans) == 4


def test_a_sweep_with_quarter_gpus_runs_four_trials_at_once(tmp_path: Path) -> None:
    shares = ("gpus=1", "gpus_per_trial=0.25", "cpus=4", "cpus_per_trial=1")
    done = call(
        "tune",
        "space=glca_heads",
        "trials=5",
        "epochs=1",
        *shares,
        "output=runs",
        "tracking=off",
        "config=tiny",
        *SMALL,
        cwd=tmp_path,
    )
    assert done.status == 0, done.err
    assert "4 trials at once" in done.out
    entries = [json.loads(line) for line in (tmp_path / "runs/glca_heads/journal.jsonl").read_text().splitlines()]
    drawn = {entry["trial"]: entry["time"] for entry in entries if entry["event"] == "drawn"}
    ended = {entry["trial"]: entry["time"] for entry in entries if entry.get("then") == "completed"}
    assert sorted(ended) == [0, 1, 2, 3, 4]
    # The fifth was drawn when the first of the four had ended: a draw knows all results before it.
    assert drawn[4] >= min(ended.values())
    assert max(drawn[number] for number in range(4)) <= min(ended.values())


def test_a_share_without_a_gpu_is_refused(tmp_path: Path) -> None:
    done = call("tune", "space=glca_heads", "gpus_per_trial=0.25", cwd=tmp_path)
    assert done.status == 2
    assert done.err == (
        "twinverify: gpus_per_trial=0.25: this machine has no GPU; leave it out, or declare logical ones with gpus=N\n"
    )

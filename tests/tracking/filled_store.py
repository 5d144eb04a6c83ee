"""A file store that tests fill and read back, and the trials that they fill it with."""

from pathlib import Path
from typing import Any

from twinverify.environment import prepare

prepare()

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Run  # noqa: E402

from twinverify.search.state import Trial  # noqa: E402
from twinverify.tracking.finding import find_runs  # noqa: E402
from twinverify.tracking.runs import SweepRuns  # noqa: E402
from twinverify.tracking.store import open_experiment  # noqa: E402

EER, AUC, LOSS = "val/twin_eer", "val/twin_auc", "train/loss"


class Store:
    """A file store, written to by `SweepRuns` and read back by a client of its own."""

    def __init__(self, folder: Path) -> None:
        self.uri = folder.as_uri()
        self.experiment = open_experiment(self.uri, "twins")
        self.client = MlflowClient(self.uri)

    def sweep(self, sweep_id: str = "s1", name: str = "glca_heads", seed: int = 0) -> SweepRuns:
        """Open a sweep's runs as a new process would."""
        return SweepRuns(
            MlflowClient(self.uri),
            self.experiment,
            sweep_id=sweep_id,
            name=name,
            tags={"model_type": "dcal", "dataset": "synthetic"},
            description="**what**",
            config=lambda number: f"seed: {seed + number}\n",
        )

    def config(self, run: Run, folder: Path) -> str:
        """Give the text of a run's config.yaml."""
        return Path(self.client.download_artifacts(run.info.run_id, "config.yaml", str(folder))).read_text()

    def runs(self, condition: str = "") -> list[Run]:
        """Give all runs."""
        return find_runs(self.client, self.experiment, condition)

    def trial(self, number: int) -> Run:
        """Give a trial's only run."""
        (run,) = self.runs(f"tags.trial = '{number}'")
        return run

    def history(self, run: Run, key: str) -> list[tuple[int, float]]:
        """Give step and value of all that was ever written of a metric, in order."""
        return [(entry.step, entry.value) for entry in self.client.get_metric_history(run.info.run_id, key)]

    def files(self) -> dict[str, bytes]:
        """Give all that the store holds."""
        folder = Path(self.uri.removeprefix("file://"))
        return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def trial(number: int = 0, epochs: int = 0, state: Any = "running", **more: Any) -> Trial:
    """Make a trial that has reported so many epochs."""
    values = {"model.glca.heads": 3, "train.clip": None, "train.lr": 1e-5}
    made = Trial(number, values, drawn_at=1000.5 + number, state=state, **more)
    for epoch in range(1, epochs + 1):
        made.reports.append({EER: 0.5 / epoch, LOSS: 1.0 / epoch, "train/lr": 0.001})
        made.reported_at.append(1000.5 + epoch)
    if state != "running":
        made.ended_at = 2000.25
    return made


def expected(epochs: int) -> list[tuple[int, float]]:
    """Give the history of its EER."""
    return [(epoch, 0.5 / epoch) for epoch in range(1, epochs + 1)]

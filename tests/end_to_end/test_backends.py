"""One small sweep into each kind of store that is not a folder, and read back.

The file store behind a server is in `test_server_away`, where more happens to it.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from command_line import SMALL, Store, Sweep, call
from databases import QUOTED, mariadb, postgresql
from mlflow.entities import Run
from store_assertions import assert_read_back
from tracking_server import Served, Server
from ui_command import link, ui

from twinverify.config import load_config
from twinverify.tracking.store import open_experiment

NAMED = ("twin-verification-baseline", "twin-verification-ablation-glca", "Default")


class InExperiment(Served):
    """What a store holds in an experiment that is not the usual one."""

    def runs(self, experiment: str = "Default") -> list[Run]:
        """Give all runs of the experiment."""
        return super().runs(experiment)


def small_sweep(folder: Path, tracking: str, experiment: str) -> Sweep:
    words = ("tune", "space=glca_heads", "trials=2", "epochs=2", "concurrency=1", "output=runs", *SMALL)
    done = call(*words, f"tracking={tracking}", f"experiment={experiment}", cwd=folder, timeout=500)
    assert (done.status, done.err) == (0, ""), (done.out, done.err)
    return Sweep(done, folder / "runs" / "glca_heads", Store(folder), words)


def test_sqlite_keeps_a_sweep_in_mlflows_own_experiment_and_its_artifacts_beside_it(tmp_path: Path) -> None:
    sweep = small_sweep(tmp_path, "sqlite:///runs.db", "Default")

    store = InExperiment(tmp_path, f"sqlite:///{tmp_path}/runs.db")
    assert_read_back(Sweep(sweep.finished, sweep.folder, store, ()), space="glca_heads", dataset="synthetic")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".runs.db.lock", "runs", "runs.db", "runs_artifacts"]
    for name in NAMED:
        assert open_experiment(store.uri, name) == store.client.get_experiment_by_name(name).experiment_id


@pytest.mark.parametrize("database", [postgresql, mariadb])
def test_a_database_is_reached_as_its_refusal_says_and_shown_by_the_ui(
    database: Callable[[], AbstractContextManager[str]], tmp_path: Path
) -> None:
    with database() as address:
        refused = call("tune", "space=glca_heads", f"tracking={address}", "output=runs", cwd=tmp_path)
        assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert QUOTED not in refused.err
        told = re.search(r"start (.*mlflow server .*) and give tracking=http://127.0.0.1:5000$", refused.err)
        assert told
        server = Server(tmp_path / "server", told[1].replace("PASSWORD", QUOTED))
        server.start()
        try:
            sweep = small_sweep(tmp_path, server.address, "Default")
            store = InExperiment(tmp_path, server.address)
            assert_read_back(Sweep(sweep.finished, sweep.folder, store, ()), space="glca_heads", dataset="synthetic")
            for name in NAMED:
                assert open_experiment(server.address, name) == store.client.get_experiment_by_name(name).experiment_id
            trials = [run.info.run_id for run in store.trials()]
        finally:
            server.kill()
        place = [f"artifacts={server.folder / 'mlartifacts'}"] if database is postgresql else []
        with ui(tmp_path, f"tracking={address}", "experiment=Default", *place, "port=5720") as (_, text):
            shown = InExperiment(tmp_path, link(text).partition("/#")[0])
            assert [run.info.run_id for run in shown.trials()] == trials
            if place:
                assert load_config(shown.client.download_artifacts(trials[0], "config.yaml"))
        assert ("artifacts=FOLDER shows them" in text) == (not place)
        assert QUOTED not in text
        assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "server"]

"""The MLflow runs of a sweep as the store holds them, read back by nothing but MLflow's own client."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from twinverify.errors import UserError
from twinverify.search.files import CONFIG_FILE
from twinverify.tracking.address import store_path, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

#: Questions under way at once: a server's answer takes far longer than what is done with it. A local store is read by
#: this very process, where threads only get in each other's way (21 against 32 ms a run of 15 metrics).
_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Point:
    """One value of a metric: step, value, time in ms."""

    step: int
    value: float
    at: int


@dataclass(frozen=True)
class RunContent:
    """What a list of runs does not hold of a run.

    Attributes:
        histories: every value of each metric in the order written, or by steps where the store keeps no order.
        config: its `config.yaml`; None where it has none.
        trouble: why it cannot be read; None where it can.
    """

    histories: dict[str, list[Point]] = field(default_factory=dict)
    config: str | None = None
    trouble: str | None = None


@dataclass(frozen=True)
class UnreadableRun:
    """A run at which MLflow fails: its id, what its tag `trial` says, and the reason."""

    run_id: str
    trial: str
    reason: str


@dataclass(frozen=True)
class StoredRuns:
    """All runs of one sweep in one store.

    Attributes:
        uri: the store's address.
        place: where was looked, for people.
        client: a client of the store; None where there is none to ask.
        runs: the sweep's runs.
        unmarked: runs without any tag of ours: a kill can have come before the first.
        unreadable: the sweep's runs that MLflow cannot read.
    """

    uri: str
    place: str
    client: "MlflowClient | None" = None
    runs: "tuple[Run, ...]" = ()
    unmarked: "tuple[Run, ...]" = ()
    unreadable: tuple[UnreadableRun, ...] = ()

    def contents(self, runs: "Sequence[Run]") -> Iterator[RunContent]:
        """Read runs one after the other.

        Raises:
            UserError: the store cannot be read any more.
        """
        with told_if_unreadable(self.uri), ThreadPoolExecutor(_AT_ONCE if self._is_server else 1) as pool:
            yield from pool.map(self._content, runs)

    @property
    def _is_server(self) -> bool:
        return store_path(self.uri) is None

    def _content(self, run: "Run") -> RunContent:
        assert self.client is not None  # there is a run
        try:
            histories = {key: self._history(self.client, run, key) for key in run.data.metrics}
            return RunContent(histories, self._config(self.client, run))
        except Exception as error:
            if self._is_server:
                raise
            return RunContent(trouble=reason_of(error))

    def _history(self, client: "MlflowClient", run: "Run", key: str) -> list[Point]:
        found = client.get_metric_history(run.info.run_id, key)
        points = [Point(metric.step, metric.value, metric.timestamp) for metric in found]
        # A database gives its rows in any order.
        return points if self.uri.startswith("file:") else sorted(points, key=lambda point: (point.step, point.at))

    def _config(self, client: "MlflowClient", run: "Run") -> str | None:
        if not self._is_server and run.info.artifact_uri.startswith("file:"):
            path = Path(url2pathname(urlsplit(run.info.artifact_uri).path)) / CONFIG_FILE
            return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
        names = [file.path for file in client.list_artifacts(run.info.run_id)]
        if CONFIG_FILE not in names:
            return None
        with TemporaryDirectory() as folder:
            path = Path(client.download_artifacts(run.info.run_id, CONFIG_FILE, folder))
            return path.read_text(encoding="utf-8", errors="replace")


def reason_of(error: Exception) -> str:
    """Give an error's own words on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextmanager
def told_if_unreadable(uri: str) -> Iterator[None]:
    """Tell a store that cannot be read in one line: a UserError. MLflow raises bare exceptions for some of it."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"tracking {without_password(uri)}: MLflow's store cannot be read ({reason_of(error)})"
        ) from error

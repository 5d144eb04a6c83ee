"""What is seen of a sweep while it runs: one live table on a terminal, one line an event elsewhere."""

from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn

from twinverify.reports.table import SweepTable
from twinverify.search.deaths import MAX_WORKER_DEATHS
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState, Trial
from twinverify.streams import visible


class LiveTable:
    """Shows a sweep on `console`; is told of every change, and redraws itself twice a second."""

    def __init__(self, console: Console) -> None:
        """Show nothing yet."""
        self._console = console
        self._decoding: Progress | None = None
        self._live: Live | None = None
        self._table: SweepTable | None = None

    def preparing(self, done: int, total: int) -> None:
        """Show how many images are decoded."""
        if not self._console.is_terminal:
            if done == total:
                self._say(f"{total} images decoded.")
            return
        if self._decoding is None:
            columns = (TextColumn("Decoding images"), BarColumn(), TextColumn("{task.completed} of {task.total}"))
            self._decoding = Progress(*columns, console=self._console, transient=True)
            self._decoding.add_task("", total=total)
            self._decoding.start()
        self._decoding.update(self._decoding.task_ids[0], completed=done)

    def starting(self, plan: SweepPlan, state: SweepState) -> None:
        """Show the table from now on."""
        self._stop_decoding()
        self._table = table = SweepTable(plan, state)
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=lambda: table.render(self._console.size.height),
                console=self._console,
                refresh_per_second=2,
            )
            self._live.start()
        else:
            self._say(f"Starting Ray; {plan.resources.slots} trials at once.")

    def changed(self, trial: Trial) -> None:
        """Take in a change; without a terminal, print a trial's beginning and end."""
        if self._live is None and self._table is not None and (line := self._table.line(trial)):
            self._say(line)

    def worker_died(self, trial: Trial, cause: str, deaths: int) -> None:
        """Tell that a trial goes on in another worker."""
        after = f"it goes on after epoch {trial.epoch}" if trial.epoch else "it begins again"
        self._say(
            f"trial {trial.number}: its worker died ({cause}); {after} (death {deaths} of at most {MAX_WORKER_DEATHS})"
        )

    def ray_restarts(self, cause: str) -> None:
        """Tell that Ray is started anew."""
        self._say(f"Ray: its server {cause} died; starting it anew, every trial goes on after its last epoch")

    def dashboard(self, address: str, token: Path) -> None:
        """Tell where Ray's dashboard is; the token itself has no place in a log."""
        self._say(f"Ray's dashboard: {address} (it asks for the token in {token})")

    def tracking_away(self, reason: str) -> None:
        """Tell that MLflow does not answer; from any thread."""
        self._say(f"MLflow is away ({reason}); the sweep goes on, results wait in its folder")

    def tracking_back(self) -> None:
        """Tell that MLflow answers again; from any thread."""
        self._say("MLflow is back; all that waited is delivered")

    def stopped(self) -> None:
        """Leave the last table on the screen."""
        self._stop_decoding()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _say(self, line: str) -> None:
        """Print a line as it is: a cause may hold what rich takes for markup, or other lines."""
        self._console.print(visible(line, keep=""), markup=False, highlight=False, soft_wrap=True)

    def _stop_decoding(self) -> None:
        if self._decoding is not None:
            self._decoding.stop()
            self._decoding = None

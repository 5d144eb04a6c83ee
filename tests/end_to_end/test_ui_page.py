"""The MLflow UI as a user sees it: the real command, started in another folder, looked at in a real browser."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from browser import chromium
from ui_command import link, ui

from twinverify.environment import prepare
from twinverify.tracking.store import EXPERIMENT, open_experiment

prepare()
# Imported only now: MLflow reads its environment at import.
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param  # noqa: E402

HEADS = [1, 2, 3]
HOSTILE = """**the description**
<script>window.taken = 1</script><img src="//evil.example/x.png" onerror="window.taken = 2">
<svg onload="window.taken = 3">
<iframe srcdoc="<script>parent.window.taken = 4</script>"></iframe> <a href="javascript:window.taken = 5">link</a>
"""

#: A page of the browser, and the addresses that it has asked for.
Loaded = tuple[Any, list[str]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A finished sweep of three trials, and a run of another sweep."""
    uri = (tmp_path_factory.mktemp("store") / "runs #1").as_uri()
    experiment = open_experiment(uri, EXPERIMENT)
    client = MlflowClient(uri)
    # A store may come from elsewhere: a description that our own words would never hold.
    tags = {"sweep": "heads", "mlflow.note.content": HOSTILE}
    parent = client.create_run(experiment, tags=tags, run_name="heads").info.run_id
    for trial, heads in enumerate(HEADS):
        tags = {"sweep": "heads", "trial": str(trial), "trial_state": "completed", "mlflow.parentRunId": parent}
        run = client.create_run(experiment, tags=tags, run_name=f"trial {trial:03}").info.run_id
        for epoch in (1, 2):
            values = {
                "val/twin_eer": 0.5 - 0.0625 * trial - 0.03125 * epoch,
                "val/general_eer": 0.25,
                "train/loss": 2.0,
            }
            metrics = [Metric(name, value, 1_790_000_000_000 + epoch, epoch) for name, value in values.items()]
            client.log_batch(run, metrics, [Param("model.glca.heads", str(heads))] if epoch == 1 else [])
        client.set_terminated(run)
    client.create_run(experiment, tags={"sweep": "other"}, run_name="somebody else's")
    client.set_terminated(parent)
    return uri


@pytest.fixture(scope="module")
def printed(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ui(tmp_path_factory.mktemp("elsewhere"), f"tracking={store}", "sweep=heads", "port=5600") as (_, text):
        yield text


@pytest.fixture
def outside(printed: str, tmp_path: Path) -> Iterator[Loaded]:
    """The page behind the printed link once it has loaded, and the addresses off this machine that it asked for."""
    asked: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        page.goto(link(printed))
        yield page, asked


def off_this_machine(asked: list[str]) -> list[str]:
    return [
        url for url in asked if urlsplit(url).scheme not in {"data", "blob"} and urlsplit(url).hostname != "127.0.0.1"
    ]


def test_the_printed_link_shows_the_sweeps_runs_with_metrics_best_first(outside: Loaded, tmp_path: Path) -> None:
    page, asked = outside
    page.get_by_text("trial 000", exact=True).wait_for(timeout=60_000)

    heading = page.locator("[role=columnheader]", has_text="val/twin_eer")
    heading.first.wait_for(timeout=20_000)
    page.wait_for_timeout(1500)  # columns take their order and width after the rows are there
    page.screenshot(path=os.environ.get("TWINVERIFY_SCREENSHOT", str(tmp_path / "runs.png")))
    shown = page.locator("body").inner_text()

    names = re.findall(r"trial \d{3}", shown)
    assert names[:3] == ["trial 002", "trial 001", "trial 000"]
    for value in ("0.3125", "0.375", "0.4375", "val/general_eer", "model.glca.heads", "completed"):
        assert value in shown
    assert "somebody else's" not in shown
    assert off_this_machine(asked) == []


def test_the_ui_opens_in_the_model_training_view_by_hand_too(outside: Loaded, printed: str) -> None:
    page, _ = outside
    page.goto("about:blank")
    page.goto(f"{link(printed).partition('#')[0]}#/experiments/{re.findall(r'experiments/([0-9]+)', printed)[0]}")

    page.wait_for_url(re.compile("/runs.*workflowType=machine_learning"), timeout=60_000)

    page.get_by_text("matching runs").wait_for(timeout=20_000)
    # MLflow's assistant opens by itself on a first visit, and hides the columns.
    assert page.get_by_text("Ask questions about your experiments").count() == 0


def test_the_page_may_not_load_from_elsewhere(outside: Loaded, printed: str) -> None:
    page, asked = outside
    # The browser tells what the page's own policy refused; that the network is away would prove nothing.
    page.add_init_script(
        "window.refused = []; addEventListener('securitypolicyviolation', event => refused.push(event.blockedURI))"
    )
    page.goto("about:blank")
    page.goto(link(printed).replace("/runs?", "/traces?").replace("machine_learning", "genai"))
    page.wait_for_timeout(5000)  # an empty page of traces would show a film from mlflow.org

    page.evaluate("fetch('https://mlflow.org/probe').catch(() => null)")

    refused = page.evaluate("window.refused")
    assert "https://mlflow.org/probe" in refused
    assert set(off_this_machine(asked)) <= set(refused)


def test_a_hostile_description_is_shown_and_does_nothing(outside: Loaded, printed: str, store: str) -> None:
    page, asked = outside
    [run] = MlflowClient(store).search_runs(re.findall(r"experiments/(\d+)", printed), "attributes.run_name = 'heads'")
    page.goto("about:blank")
    refused = (
        "window.refused = []; addEventListener('securitypolicyviolation', event => refused.push(event.blockedURI))"
    )
    page.add_init_script(refused)
    page.goto(f"{link(printed).partition('/runs?')[0]}/runs/{run.info.run_id}")
    page.get_by_text("the description", exact=True).first.wait_for(timeout=60_000)

    links = page.get_by_text("link", exact=True)
    assert links.count() == 1
    links.first.click()

    assert page.evaluate("window.taken") is None
    # MLflow takes the scripts out; the picture it leaves, and the page's policy refuses it.
    assert set(off_this_machine(asked)) <= set(page.evaluate("window.refused"))


def test_it_listens_on_loopback_only_and_in_one_process(store: str, tmp_path: Path) -> None:
    with ui(tmp_path, f"tracking={store}", "port=5620") as (process, _):
        told = psutil.Process(process.pid)
        listening = {connection.laddr.ip for connection in told.net_connections() if connection.status == "LISTEN"}

        assert listening == {"127.0.0.1"}
        assert told.children(recursive=True) == []
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["evil.example:5600", "10.evil.example", "192.168.0.1.evil.example:5600"])
def test_a_page_of_elsewhere_whose_name_leads_here_is_refused(printed: str, host: str) -> None:
    address = urlsplit(link(printed))
    for path in ("/", "/api/2.0/mlflow/experiments/search?max_results=5", "/ajax-api/3.0/mlflow/server-info"):
        statuses = []
        for name in (address.netloc, "localhost:7000", host):
            connection = HTTPConnection("127.0.0.1", address.port, timeout=60)
            connection.request("GET", path, headers={"Host": name})
            statuses.append(connection.getresponse().status)
        assert statuses == [200, 200, 403], path


def test_a_taken_port_is_passed_over_and_said(store: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 5640))
        taken.listen()
        with ui(tmp_path, f"tracking={store}", "port=5640") as (_, text):
            assert "Port 5640 is taken; using 5641." in text
            assert link(text).startswith("http://127.0.0.1:5641/#/experiments/")


def test_a_server_that_runs_already_is_used_and_pointed_at(store: str, tmp_path: Path) -> None:
    with ui(tmp_path, f"tracking={store}", "port=5680") as (_, text):
        server = link(text).partition("/#")[0]
        made = open_experiment(server, "by the server")
        command = [sys.executable, "-m", "twinverify.ui", f"tracking={server}", "sweep=heads"]

        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
    assert link(done.stdout) == link(text).replace("=twinverify", "=twinverify-heads")
    assert MlflowClient(store).get_experiment_by_name("by the server").experiment_id == made


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_it_in_one_line_and_soon(store: str, tmp_path: Path, sent: signal.Signals, status: int) -> None:
    with (
        ui(tmp_path, f"tracking={store}", "port=5660") as (process, text),
        # A browser keeps its connection open.
        socket.create_connection(("127.0.0.1", urlsplit(link(text)).port or 0)),
    ):
        start = time.monotonic()
        process.send_signal(sent)
        rest, _ = process.communicate(timeout=30)

    assert process.returncode == status
    assert rest.split() == ["MLflow", "UI", "stopped."]
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["tracking=./nothing"], "python -m twinverify.tune space=glca_heads makes some"),
        (["artifacts=nowhere"], "artifacts=nowhere: there is no such folder"),
        (["tracking=off"], "nothing to show"),
        (["tracking={store}", "sweep=head"], "did you mean heads?"),
        (["tracking={store}", "experiment=twin-verification"], f"did you mean {EXPERIMENT}?"),
        (["tracking={store}", "port=70000"], "port is 70000"),
        (["tracking={store}", "prot=5000"], "did you mean port?"),
        (["tracking={store}", "host=203.0.113.7"], "host=203.0.113.7: not an address or name of this machine; it has"),
        (["tracking={store}", "host=0.0.0.0"], "give one address of this machine"),
    ],
)
def test_what_cannot_be_shown_is_one_line(store: str, tmp_path: Path, arguments: list[str], hint: str) -> None:
    command = [sys.executable, "-m", "twinverify.ui", *(argument.format(store=store) for argument in arguments)]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert hint in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []

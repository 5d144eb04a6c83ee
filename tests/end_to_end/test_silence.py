"""Nothing leaves this machine: every command, watched from its first call to its last."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import chromium
from command_line import Finished, Sweep, call, environment, wait_until

from twinverify.silence.watch import may_trace, watched

needs_strace = pytest.mark.skipif(not may_trace(), reason="strace is not here, or may not watch processes")

#: Runs a sweep and opens the UI's pages where there is no network but loopback.
_ALONE = """
import fcntl, socket, struct, sys
from pathlib import Path
from twinverify.silence.check import STEPS, Step, check

if __name__ == "__main__":
    up, set_flags = 1, 0x8914  # SIOCSIFFLAGS
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh", b"lo", up))
    print("interfaces:", *(name for _, name in socket.if_nameindex()))
    sweep, *_, ui = STEPS
    steps = [Step((*sweep.words, "results=false")), ui]
    seen = check(Path(sys.argv[1]), by_strace=False, steps=steps, told=print)
    print("left:", *seen.left)
    print("listened:", *{call.process for calls in seen.calls.values() for call in calls if call.does == "bind"})
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The check that ships, made by strace."""
    return call("ui", "check=true", cwd=tmp_path_factory.mktemp("checked"), timeout=1100)


@needs_strace
@pytest.mark.timeout(1200)
def test_no_command_binds_or_calls_an_address_but_loopback(checked: Finished) -> None:
    assert checked.status == 0, checked.out + checked.err
    *_, watched_by, verdict = checked.out.splitlines()
    assert watched_by.startswith("Watched by strace: every connect, bind and send")
    assert re.fullmatch(r"Nothing left this machine: \d{3,} calls, all to loopback, .*; no DNS look-up\.", verdict)


@needs_strace
@pytest.mark.timeout(1200)
def test_the_check_runs_every_command_and_names_every_process(checked: Finished) -> None:
    commands = re.findall(r"^python -m twinverify\.(\w+)(?: .*)?$", checked.out, re.MULTILINE)
    assert commands == ["tune", "train", "compare", "compare", "verify", "confirm", "ui"]
    rows = {tuple(line.split()[:3]) for line in checked.out.splitlines()}
    assert {("gcs_server", "bind", "::1"), ("raylet", "connect", "127.0.0.1"), ("python", "bind", "127.0.0.1")} <= rows


@needs_strace
def test_neither_the_pages_of_the_ui_nor_its_server_ask_anybody_else(sweep: Sweep, tmp_path: Path) -> None:
    runs = [run.info.run_id for run in sweep.store.trials()[:2]]
    words = [sys.executable, "-m", "twinverify.ui", f"tracking={sweep.store.uri}", "sweep=glca_heads", "port=5740"]
    output, asked = tmp_path / "output.txt", []
    with watched(words, tmp_path, output, trace=True) as watch, chromium() as browser:
        wait_until(lambda: "\nhttp://" in output.read_text() or not watch.running(), 300, "the UI has its link")
        link = output.read_text().splitlines()[-1]
        server, experiment = link.partition("/#")[0], re.findall(r"experiments/(\d+)", link)[0]
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        pages = {
            link: "val/twin_eer",
            f"{server}/#/experiments/{experiment}/runs/{runs[0]}": "val/twin_eer",
            f"{server}/#/experiments/{experiment}/runs/{runs[0]}/model-metrics": "gradient_norm",
            f"{server}/#/experiments/{experiment}/runs/{runs[0]}/artifacts/config.yaml": "config.yaml",
            f'{server}/#/compare-runs?runs=["{runs[0]}","{runs[1]}"]&experiments=["{experiment}"]': "Comparing 2 Runs",
        }
        for address, shown in pages.items():
            page.goto("about:blank")
            page.goto(address)
            page.get_by_text(shown).first.wait_for(timeout=120_000, state="attached")
        page.close()
        watch.stop()
        assert watch.wait(120) == 0
        calls = watch.calls()
    assert len(asked) > 20
    assert {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
    assert any(call.does == "bind" and call.port == 5740 for call in calls)
    assert [call for call in calls if not call.stays] == []


def may_be_alone() -> bool:
    """Say whether a process may have a network of its own."""
    try:
        return subprocess.run(["unshare", "-rn", "true"], capture_output=True, timeout=60).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not may_be_alone(), reason="a process may not have a network of its own here (unshare -rn)")
def test_a_sweep_and_the_ui_need_no_network_but_loopback(tmp_path: Path) -> None:
    script, folder = tmp_path / "alone.py", tmp_path / "folder"
    script.write_text(_ALONE)
    folder.mkdir()
    words = ["unshare", "-rn", sys.executable, str(script), str(folder)]
    done = subprocess.run(words, env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stdout + done.stderr
    told = dict(line.split(":", 1) for line in done.stdout.splitlines() if ": " in line or line.endswith(":"))
    assert (told["interfaces"].split(), told["left"].split()) == (["lo"], [])
    # The look at the sockets has seen something.
    assert {"gcs_server", "raylet"} <= set(told["listened"].split())

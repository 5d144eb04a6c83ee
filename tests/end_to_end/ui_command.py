"""Starts the MLflow UI as a user does, and waits until it has printed its link."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def ui(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command in a folder; gives the process and all that it printed up to the link."""
    command = [sys.executable, "-m", "twinverify.ui", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    # They silence MLflow's telemetry by themselves, and would hide it if the command did not.
    for name in ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        environment.pop(name, None)
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    try:
        lines: list[str] = []
        while not lines or not lines[-1].startswith("http"):
            lines.append(process.stdout.readline())
            assert lines[-1], f"ended without a link: {''.join(lines)}"
        yield process, "".join(lines)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def link(text: str) -> str:
    return text.splitlines()[-1]

"""A Ray of our own on this machine, of which nothing is left when it is over: no process, no file.

Only who has its token may call it: Ray runs whatever code it is given, and loopback is open to everybody on a machine.
"""

import logging
import os
import secrets
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import ray
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]  # its stub lacks it

from twinverify.search import orphans
from twinverify.search.ray_home import clear_away, make_home
from twinverify.search.resources import Resources

#: Without these two all is lost; Ray's others are for show.
_SERVERS: Final = ("gcs_server", "raylet")
#: Where our own code lies.
_HERE: Final = Path(__file__).parents[2]
#: The file of the token in a Ray's home, which is its user's alone and goes with it.
TOKEN: Final = "token"
#: What reaches every process of a job: a closed terminal's signal, a cluster's. Ray blocks Ctrl-C's by itself.
_OURS_ALONE: Final = (signal.SIGHUP, signal.SIGTERM)


@contextmanager
def running_ray(
    resources: Resources, folder: Path, *, loads: Sequence[str] = (), dashboard: bool = False
) -> Iterator[Path]:
    """Have Ray run inside the block: loopback only, behind a token of its own, no chatter.

    Its CPUs are the sweep's slots: it starts a worker for each, which loads what its trials will need while we are
    still busy with other things.

    Args:
        resources: what it schedules.
        folder: the sweep's, by which another start of it finds what a killed one has left; its lock is held.
        loads: modules that the workers import first of all; one that cannot be is told by the trial that needs it.
        dashboard: whether Ray's dashboard is served, behind the same token.

    Yields:
        A folder for Ray's files, which goes with it.

    Raises:
        UserError: a process that an earlier start has left behind does not end.
    """
    clear_away(folder)
    home = make_home(folder)
    guard = orphans.guard(home.name, home)
    try:
        _start(resources, home, loads, dashboard)
        guard.wait()
        yield home
    finally:
        _stop(home)
        with suppress(OSError):
            guard.communicate()


def dead_server() -> str | None:
    """Say which of Ray's servers has died and how, if one has; nothing works without it, and Ray waits for ever."""
    for name, process in _servers():
        code = process.poll()
        if code is not None:
            return f"{name} ({f'killed by signal {-code}' if code < 0 else f'exit status {code}'})"
    return None


def logs_folder() -> Path:
    """Give where Ray's servers and workers write their logs."""
    node: Any = ray._private.worker._global_node
    return Path(node.get_logs_dir_path())


def dashboard_address() -> str:
    """Give where the dashboard is served."""
    node: Any = ray._private.worker._global_node
    return f"http://{node.webui_url}"


def _start(resources: Resources, home: Path, loads: Sequence[str], dashboard: bool) -> None:
    for name in ("ray", "ray.tune", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # What Ray's servers tell of each other's end, whatever log_to_driver says; it would be in our table's way.
    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    with _environment(home, resources.threads), _own_signals(), _no_more_than_needed(dashboard):
        # That of a Ray which this process had before.
        AuthenticationTokenLoader.instance().reset_cache()
        ray.init(
            address="local",
            num_cpus=resources.slots,
            num_gpus=resources.gpus,
            include_dashboard=dashboard,
            dashboard_host="127.0.0.1",
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            # Results are dictionaries of numbers; Ray's default takes 30 % of the memory for objects.
            object_store_memory=100 * 2**20,
            # One below ours: Ray opens its own to everybody.
            _temp_dir=str(home / "ray"),
            _system_config={
                "preload_python_modules": list(loads),
                # Ray would end a worker that has nothing to do for a second, such as one that loads.
                "idle_worker_killing_time_threshold_ms": 60_000,
            },
        )


def _stop(home: Path) -> None:
    """End Ray at once: nothing in it is needed, and its own way waits for epochs to end, and a second for each server.

    `ray.shutdown` takes 5 s and more where the GCS server is gone, so that one is left to it.
    """
    servers = _servers()
    orphans.end(home.name, spared=[process.pid for name, process in servers if name == "gcs_server"])
    for _, process in servers:
        # It would ask first; they do not hear (`_own_signals`).
        process.terminate = process.kill
    ray.shutdown()
    orphans.end(home.name)
    shutil.rmtree(home, ignore_errors=True)


def _servers() -> list[tuple[str, Any]]:
    """Give Ray's servers of this process, by name; none where Ray is not, or only half, started."""
    node = ray._private.worker._global_node
    known: dict[str, Any] = {} if node is None else node.all_processes
    return [(name, info.process) for name in _SERVERS for info in known.get(name, ())]


@contextmanager
def _no_more_than_needed(dashboard: bool) -> Iterator[None]:
    """Leave out three processes that take 3.5 s of a core: nobody scales this machine, and nobody reads their logs.

    Ray has options for the first two; they are not among those of `ray.init`. The third serves the dashboard, and
    without it nothing but an answer to who asks for the state.
    """
    node: Any = ray._private.node.Node
    servers = ["start_monitor", "start_log_monitor", *([] if dashboard else ["start_api_server"])]
    before = {name: vars(node)[name] for name in servers}
    for name in servers:
        setattr(node, name, _not_served)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(node, name, method)


def _not_served(node: Any, **_: Any) -> None:
    node._webui_url = node._webui_url or ""


@contextmanager
def _environment(home: Path, threads: int) -> Iterator[None]:
    """Give what is started inside the block our mark, a fresh token, and an HTTP proxy that nobody serves.

    By itself Ray would keep one token for good in the user's `~/.ray`, and prefer one that stands in the environment.

    Ray's dashboard module asks the cloud's metadata address (169.254.169.254, and a DNS server for its name) whatever
    is switched off; it honours the proxy. Addresses under https, such as a model hub's, are not touched.
    """
    nobody = "http://127.0.0.1:9"
    # SPT_NOENV: Ray's workers give themselves names, which would be written over their environment.
    inside: dict[str, str | None] = {orphans.MARK: home.name, "SPT_NOENV": "1"}
    inside |= {"http_proxy": nobody, "HTTP_PROXY": nobody}
    # What workers load before Ray tells them our path is to be what we have ourselves.
    inside |= {"PYTHONPATH": os.pathsep.join(filter(None, (str(_HERE), os.environ.get("PYTHONPATH"))))}
    # Ray would go by the CPUs of a trial, which are not its cores here.
    inside |= {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))}
    token = home / TOKEN
    token.touch(0o600, exist_ok=False)
    token.write_text(secrets.token_hex(32))
    inside |= {"RAY_AUTH_TOKEN_PATH": str(token), "RAY_AUTH_TOKEN": None}
    before = {name: os.environ.get(name) for name in inside}
    _put(inside)
    try:
        yield
    finally:
        _put(before)


def _put(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our handlers, and let what is started inside the block not hear what is meant for us.

    `ray.init` sets handlers of SIGTERM: Python ones that kill all at once, and one in C++ that prints a trace. And a
    signal to the whole group would end Ray's servers under a driver that is about to close its runs.
    """
    ray._private.ray_constants.RAY_DISABLE_FAILURE_SIGNAL_HANDLER = True
    set_handler, set_mask = signal.signal, signal.pthread_sigmask
    signal.signal = lambda number, _: signal.getsignal(number)  # type: ignore[assignment]
    # Ray blocks SIGINT so, in each server that it starts, between fork and exec.
    signal.pthread_sigmask = lambda how, mask: set_mask(how, {*mask, *_OURS_ALONE})
    try:
        yield
    finally:
        signal.signal, signal.pthread_sigmask = set_handler, set_mask

"""Asks a tracking server whether it is there, without MLflow, whose client would take its time."""

import ipaddress
import os
import threading
import urllib.error
import urllib.request
from functools import partial
from typing import Final
from urllib.parse import urlsplit

_ANSWER_SECONDS: Final = 2.5


def server_trouble(address: str) -> str | None:
    """Say what keeps a tracking server from being used; None where it answers, and for stores that are no server.

    Args:
        address: Tracking address, as `resolve_tracking` gives it.
    """
    if not address.startswith(("http:", "https:")):
        return None
    answers: list[str | None] = []
    asking = threading.Thread(target=lambda: answers.append(_ask_health(address)), daemon=True)
    asking.start()
    # The socket's own timeout does not cover the look-up of a host name.
    asking.join(_ANSWER_SECONDS + 0.5)
    return answers[0] if answers else f"no server answers within {_ANSWER_SECONDS:g} s"


def keep_reachable(address: str) -> None:
    """See to it that a server which is reached without a proxy stays so.

    For the seconds in which Ray starts, a proxy that nobody serves stands in the environment
    (`ray_server.running_ray`), and MLflow's client would ask that one.
    """
    host = urlsplit(address).hostname
    if not host or not address.startswith("http:"):
        return
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    proxied = "http" in urllib.request.getproxies() and not urllib.request.proxy_bypass(host)
    if (_is_loopback(host) or not proxied) and host not in known.split(","):
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, [known, host]))


def _ask_health(address: str) -> str | None:
    parts = urlsplit(address)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    url = f"{parts.scheme}://{host}{port}{parts.path}/health"
    # A proxy of the environment must not be asked for this machine's own server.
    proxies = urllib.request.ProxyHandler({} if _is_loopback(parts.hostname or "") else None)
    ask = partial(urllib.request.build_opener(proxies).open, timeout=_ANSWER_SECONDS)
    try:
        with ask(url) as answer:
            is_mlflow = answer.read(16).strip() == b"OK"
            return None if is_mlflow else "what answers there is not an MLflow server"
    except urllib.error.HTTPError as error:
        # 401: a server behind a password; MLflow's client has it from MLFLOW_TRACKING_USERNAME and …_PASSWORD.
        return None if error.code == 401 else f"what answers there is not an MLflow server (/health gave {error.code})"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return f"no server answers ({getattr(reason, 'strerror', None) or reason})"


def is_on_loopback(address: str) -> bool:
    """Tell whether a server's address is this machine's own."""
    return _is_loopback(urlsplit(address).hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

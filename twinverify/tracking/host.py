"""Where the UI answers: on loopback, or on another address of this machine that the user names."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final

import psutil

from twinverify.errors import UserError, some

LOOPBACK: Final = "127.0.0.1"
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Host:
    """An address of this machine, and the name that it is opened by."""

    name: str
    address: str

    @property
    def needs_password(self) -> bool:
        """Whether others than this machine's own users may come; any other loopback address is treated alike."""
        return self.address not in {LOOPBACK, "::1"}

    def opened_at(self, port: int) -> str:
        """Give the address of its pages."""
        return f"http://{_bracketed(self.name)}:{port}"

    def headers(self, port: int) -> list[str]:
        """Give the `Host` headers, as MLflow's patterns, that a request may bear.

        A page of elsewhere whose name is made to lead here (DNS rebinding) sends its own. MLflow's default lets through
        what begins like a private address, `10.example.com` for one.
        """
        if not self.needs_password:  # through an SSH tunnel, the port is the tunnel's
            names = [LOOPBACK, "localhost", "[::1]"]
            return names + [f"{name.replace('[', '[[]')}:*" for name in names]
        names = sorted({_bracketed(self.name), _bracketed(self.address)})
        return [f"{name}:{port}" for name in names] + (names if port == 80 else [])


def find_host(given: str) -> Host:
    """Give what `host=` means.

    Args:
        given: an address or a name of this machine.

    Raises:
        UserError: it is neither, or stands for all of them.
    """
    known = _addresses()
    ours = some(known, 6) or "none but loopback"
    try:
        addresses = [str(ipaddress.ip_address(given))]
    except ValueError:
        addresses = _resolved(given, ours)
    if any(ipaddress.ip_address(address).is_unspecified for address in addresses):
        raise UserError(f"host={given}: would answer on every network; give one address of this machine: {ours}")
    of_this_machine = [each for each in addresses if each in known or ipaddress.ip_address(each).is_loopback]
    if not of_this_machine:
        raise UserError(f"host={given}: not an address or name of this machine; it has {ours}")
    return Host(given.lower(), of_this_machine[0])


def _resolved(name: str, ours: str) -> list[str]:
    if not _NAME.fullmatch(name):
        raise UserError(f"host={name}: neither an address nor a name; this machine has {ours}")
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UserError(f"host={name}: there is no machine of that name; this one has {ours}") from None
    return [str(address[0]) for *_, address in sorted(found, key=lambda each: each[0] != socket.AF_INET)]


def _addresses() -> list[str]:
    """Give the addresses of this machine that a browser can open: not those that hold on one link only."""
    found = (each.address for of in psutil.net_if_addrs().values() for each in of if each.family in _INTERNET)
    addresses = (ipaddress.ip_address(address) for address in found)
    return [str(each) for each in addresses if not (each.is_loopback or each.is_link_local)]


_INTERNET: Final = (socket.AF_INET, socket.AF_INET6)


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name

"""What a process asks of the network: who, which call, to whom; and whether that stays on this machine."""

import ipaddress
from dataclasses import dataclass
from typing import Final, Literal

#: Of DNS, DNS over TLS, mDNS and LLMNR: a question for a name is one on loopback too, where a resolver passes it on.
_NAME_SERVERS: Final = frozenset({53, 853, 5353, 5355})
#: Where systemd's resolver is asked. glibc asks nscd (`/var/run/nscd/socket`) for users and groups too, so that a call
#: of it says nothing.
_RESOLVERS: Final = ("/run/systemd/resolve/", "/run/avahi-daemon/")
#: The kernel itself: lists of this machine's own addresses.
_KERNEL: Final = frozenset({"AF_NETLINK", "AF_UNSPEC"})

#: `family`: what `address` is: an internet address, a path (`@` before an abstract name), or neither.
Family = Literal["internet", "unix", "other"]


@dataclass(frozen=True)
class Call:
    """One call of one process with an address; the same calls are counted, not listed."""

    process: str
    does: str
    family: Family
    address: str
    port: int | None = None

    @property
    def asks_a_name(self) -> bool:
        """Whether it is a question to a name server, wherever that is."""
        if self.does == "bind":
            return False
        return self.port in _NAME_SERVERS or (self.family == "unix" and self.address.startswith(_RESOLVERS))

    @property
    def stays(self) -> bool:
        """Whether it stays on this machine; what cannot be told does not."""
        if self.asks_a_name:
            return False
        if self.family == "internet":
            return is_loopback(self.address)
        return self.family == "unix" or self.address in _KERNEL

    @property
    def where(self) -> str:
        """The address in words: alike for what differs in a free port or a temporary folder only."""
        if self.family == "unix":
            return f"socket …/{self.address.rpartition('/')[2]}" if "/" in self.address else f"socket {self.address}"
        if self.address in _KERNEL:
            return "the kernel"
        if self.stays or self.port is None:
            return self.address
        return f"{self.address} port {self.port}"


def is_loopback(address: str) -> bool:
    """Say whether an internet address is this machine's own; one that is none, such as a name, is not."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback

import socket

import pytest

from twinverify.errors import UserError
from twinverify.tracking.server import free_port


def test_the_wanted_port_is_held_once_taken() -> None:
    with free_port(6100) as first, free_port(first.getsockname()[1]) as second:
        assert first.getsockname()[0] == second.getsockname()[0] == "127.0.0.1"
        assert second.getsockname()[1] > first.getsockname()[1]


def test_no_port_above_the_last_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 65535))
        taken.listen()

        with pytest.raises(UserError, match="port 65535"):
            free_port(65535)

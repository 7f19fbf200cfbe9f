"""TCP ports on 127.0.0.1: finding a free one, naming a busy one, and asking whether a child serves
on one. Probes never wait, so a stop signal is never kept waiting either."""

from __future__ import annotations

import errno
import random
import socket
import time

from clinic.embedded.errors import EmbeddedError

LOOPBACK = "127.0.0.1"
# Below the range from which the kernel takes ports for outgoing connections, so that nobody takes
# the port of a child while it is being restarted.
_PORTS = range(20_000, 32_768)
_ATTEMPTS = 200
_HIGHEST = 65_535
_CONNECT_SECONDS = 1.0
_ASK_AGAIN_SECONDS = 0.25


def free_port() -> int:
    """A port that nobody listens on. Raises EmbeddedError when none was found."""
    for port in random.SystemRandom().sample(_PORTS, _ATTEMPTS):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise EmbeddedError(
        f"No free TCP port was found between {_PORTS.start} and {_PORTS.stop} on {LOOPBACK}: "
        "end something that listens there and try again."
    )


def chosen_port(text: str) -> int:
    """The port a person asked for with PORT. Raises EmbeddedError when it is none, or not to be had."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _HIGHEST:
        raise EmbeddedError(f"PORT is {text!r}, but must be a whole number from 1 to {_HIGHEST}.")
    port = int(text)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError as error:
            why = "is in use by another program" if error.errno == errno.EADDRINUSE else "cannot be used"
            raise EmbeddedError(
                f"Port {port} on {LOOPBACK} {why} ({error.strerror}): "
                "choose another, as in `make demo PORT=8001`."
            ) from error
    return port


def listens(port: int) -> bool:
    """Whether something accepts connections on this port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False


class HttpProbe:
    """Call it again and again: true once `path` has answered 200. One request is under way at a time,
    and after a refusal the next one waits a little."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._request = f"GET {path} HTTP/1.0\r\nHost: {LOOPBACK}:{port}\r\n\r\n".encode()
        self._connection: socket.socket | None = None
        self._not_before = 0.0

    def __call__(self) -> bool:
        """Ask, or look whether the answer has come."""
        if time.monotonic() < self._not_before:
            return False
        try:
            if self._connection is None:
                self._connection = socket.create_connection((LOOPBACK, self._port), timeout=_CONNECT_SECONDS)
                self._connection.sendall(self._request)
                self._connection.setblocking(False)  # noqa: FBT003 - the standard library's signature
            answer = self._connection.recv(64)
        except BlockingIOError:
            return False
        except OSError:
            answer = b""
        self.close()
        if answer:
            self._not_before = time.monotonic() + _ASK_AGAIN_SECONDS
        return answer.startswith(b"HTTP/1.") and answer[8:13] == b" 200 "

    def close(self) -> None:
        """Give up a request that is under way."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

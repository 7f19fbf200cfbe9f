"""What a person may ask `make demo` for, and the sentence that answers a mistake."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from clinic.embedded import environment, external
from clinic.embedded.announcement import table
from clinic.embedded.demo import wanted
from clinic.embedded.errors import EmbeddedError
from clinic.embedded.ports import HttpProbe, free_port, listens
from clinic.embedded.processes import wait_until


def test_empty_settings_are_the_defaults() -> None:
    port = str(free_port())
    asked = wanted({"PORT": port, "DATA": "", "RESET": "", "DATABASE_URL": "", "REDIS_URL": ""})
    assert (asked.port, asked.data, asked.reset) == (int(port), Path("var/demo"), False)
    assert (asked.database_url, asked.redis_url) == (None, None)
    assert asked.address == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "8000.5", "٨٠٠٠", "8000 "])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(EmbeddedError, match=r"PORT is .* but must be a whole number from 1 to 65535\."):
        wanted({"PORT": port})


def test_a_busy_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(EmbeddedError, match=rf"Port {port} on 127\.0\.0\.1 is in use .*PORT=8001"):
            wanted({"PORT": str(port)})


def test_reset_is_yes_or_no() -> None:
    with pytest.raises(EmbeddedError, match="RESET is 'perhaps', but must be 1 or 0"):
        wanted({"RESET": "perhaps"})


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_reset_refuses_to_touch_a_server_that_was_given(name: str) -> None:
    with pytest.raises(EmbeddedError, match=f"not the server in {name}: unset one of them"):
        wanted({"RESET": "1", name: "postgresql://user:secret@db.example/clinic"})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:secret@127.0.0.1:{port}/clinic",
        "mysql://user:secret@127.0.0.1:{port}/clinic",
        "postgresql://user:secret@127.0.0.1:port/clinic",
        "postgresql://user:secret@127.0.0.1:{port}/clinic?colour=blue",
    ],
)
def test_a_database_that_cannot_be_used_is_one_sentence_without_its_password(url: str) -> None:
    with pytest.raises(EmbeddedError, match="DATABASE_URL") as refused:
        external.check_database(url.format(port=free_port()))
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["redis://:secret@127.0.0.1:{port}/0", "http://:secret@127.0.0.1/0", "redis://:secret@127.0.0.1:x/0"],
)
def test_a_redis_that_cannot_be_used_is_one_sentence_without_its_password(url: str) -> None:
    with pytest.raises(EmbeddedError, match="REDIS_URL") as refused:
        external.check_redis(url.format(port=free_port()))
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_table_names_every_page_and_login(tmp_path: Path) -> None:
    shown = table("http://127.0.0.1:8000", data=tmp_path)
    for path in ("/admin/", "/api/v1/", "/api/v1/docs/", "/demo/mailbox/"):
        assert f"http://127.0.0.1:8000{path}\n" in shown
    for name in ("front_desk", "nurse", "prescriber", "manager", "auditor", "admin"):
        (line,) = (line for line in shown.splitlines() if line.startswith(f"{name} "))
        assert line.split()[1] == "onset-demo"


def test_children_do_not_inherit_what_make_and_we_were_told(monkeypatch: pytest.MonkeyPatch) -> None:
    started_with = {
        "PATH": "/bin",
        "MAKEFLAGS": " -- PORT=8001",
        "MAKELEVEL": "1",
        "PORT": "8001",
        "DATA": "var/b",
        "DATABASE_URL": "",
        "REDIS_URL": "redis://given",
    }
    monkeypatch.setattr(environment, "initial", lambda: dict(started_with))
    assert environment.for_children() == {"PATH": "/bin", "REDIS_URL": "redis://given"}


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 503)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[int]:
    """The port of a web server that is ready at /readyz only."""
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_probe_becomes_true_with_the_answer_200(web: int) -> None:
    assert listens(web)
    assert wait_until(HttpProbe(web, "/readyz"), seconds=5.0)
    with closing(HttpProbe(web, "/sick")) as sick:
        assert not wait_until(sick, seconds=0.6)


def test_a_probe_of_a_port_where_nobody_listens_is_false() -> None:
    port = free_port()
    assert not listens(port)
    assert not HttpProbe(port, "/readyz")()


def test_a_probe_never_waits_for_a_server_that_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(5.0)
        probe = HttpProbe(silent.getsockname()[1], "/readyz")
        assert not probe()
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1000).startswith(b"GET /readyz HTTP/1.0\r\n")
            assert not probe()
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            assert wait_until(probe, seconds=5.0)

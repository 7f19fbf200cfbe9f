"""The whole system as `make demo` starts it, on its own port and data, driven from outside."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "onset-demo"
_READY_SECONDS = 90

T = TypeVar("T")


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def until(ask: Callable[[], T], *, seconds: float = 30, what: str = "the condition") -> T:
    """Ask until the answer is true; fail, saying what was awaited, when it never is."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s; last answer {answer!r}")
        time.sleep(0.05)
    return answer


class Stack:
    """One running demo."""

    def __init__(self, data: Path, **extra: str) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        clean = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}
        self.environment = {**clean, "PORT": str(self.port), "DATA": str(data), **extra}
        self.output = ""
        self._clients: list[httpx.Client] = []

    def start(self) -> "Stack":
        """Run `make demo` and wait for its ready line."""
        log = self.data.parent / f"{self.data.name}.out"
        with log.open("w") as output:
            self.process = subprocess.Popen(
                ["make", "--no-print-directory", "demo"],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def ready() -> bool:
            self.output = log.read_text()
            if self.process.poll() is not None:
                raise AssertionError(f"make demo ended with {self.process.returncode}:\n{self.output}")
            return f"ready: {self.url}/" in self.output

        until(ready, seconds=_READY_SECONDS, what="make demo is ready")
        return self

    def stop(self) -> int:
        """SIGTERM to make, as `kill` would; its exit status (make passes the signal on and dies of it)."""
        while self._clients:
            self._clients.pop().close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def runtime(self) -> dict[str, Any]:
        """What the demo wrote about itself."""
        found: dict[str, Any] = json.loads((self.data / "runtime.json").read_text())
        return found

    def pid(self, child: str) -> int:
        """The process of one part; 0 while it is being started again."""
        pid: int = self.runtime()["children"].get(child, 0)
        return pid

    def client(self, role: str) -> httpx.Client:
        """Signed in over HTTP."""
        client = httpx.Client(base_url=f"{self.url}/api/v1/", timeout=30)
        self._clients.append(client)
        answer = client.post("auth/login/", json={"username": role, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Token {answer.json()['token']}"
        return client

    def mailbox(self) -> list[dict[str, Any]]:
        """What was really delivered."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/demo/mailbox.json", timeout=30).json()
        return found

    def make(self, *goals: str, seconds: float = 180) -> str:
        """Another make target on the same demo."""
        done = subprocess.run(
            ["make", "--no-print-directory", *goals],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A management command inside the running demo."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**self.environment, **self.runtime()["environment"]},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


_NOT_INHERITED = frozenset(
    {
        "DJANGO_SETTINGS_MODULE",
        "DATABASE_URL",
        "REDIS_URL",
        "SECRET_KEY",
        "ONSET_DATA",
        "RESET",
        "TO",
        "BY",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
        "SMTP_PORT",
        "SMTP_HOST",
    }
)

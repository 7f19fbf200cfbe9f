"""`python -m clinic.embedded.demo`, which is what `make demo` runs: the whole system on one machine,
from an empty directory to `ready: http://127.0.0.1:8000/`, and down again on the first stop signal."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from clinic.embedded import environment, external, postgres, redis, runtime
from clinic.embedded.announcement import table
from clinic.embedded.children import Child
from clinic.embedded.directory import claim
from clinic.embedded.errors import EmbeddedError
from clinic.embedded.guard import guarded
from clinic.embedded.ports import LOOPBACK, HttpProbe, chosen_port, free_port, listens
from clinic.embedded.runtime import Runtime
from clinic.embedded.supervisor import StopRequested, Supervisor

ROOT = Path(__file__).resolve().parents[2]
_SINKS_STAGE, _APPLICATION_STAGE = 2, 3
_PREPARE_SECONDS = 600.0
_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the person asked for, checked as far as possible without starting anything."""

    port: int
    data: Path
    reset: bool
    database_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)

    @property
    def address(self) -> str:
        """Where the demo is found, without a slash at the end."""
        return f"http://{LOOPBACK}:{self.port}"


def wanted(given: Mapping[str, str]) -> Wanted:
    """Read PORT, DATA, RESET, DATABASE_URL and REDIS_URL; empty means unset. Raises EmbeddedError."""
    reset = given.get("RESET", "").lower()
    if reset not in _FLAGS:
        raise EmbeddedError(f"RESET is {reset!r}, but must be 1 or 0.")
    database_url, redis_url = given.get("DATABASE_URL") or None, given.get("REDIS_URL") or None
    outside = [name for name in ("DATABASE_URL", "REDIS_URL") if given.get(name)]
    if _FLAGS[reset] and outside:
        raise EmbeddedError(
            f"RESET=1 empties only what the demo made itself, not the server in {' or '.join(outside)}: "
            "unset one of them."
        )
    return Wanted(
        port=chosen_port(given.get("PORT") or "8000"),
        data=Path(given.get("DATA") or "var/demo"),
        reset=_FLAGS[reset],
        database_url=database_url,
        redis_url=redis_url,
    )


class Demo:
    """One demo on one data directory; `run` returns only by raising."""

    def __init__(self, asked: Wanted, data: Path) -> None:
        self._asked = asked
        self._data = data
        self._inherited = environment.for_children()
        self._runtime: Runtime | None = None
        self._pids: Mapping[str, int] = {}
        self.supervisor = Supervisor(logs=data / "log", tell=_complain, changed=self._record)

    def run(self) -> None:
        """Start everything and watch it. Raises StopRequested or EmbeddedError."""
        settings = self._start_servers()
        env = self._inherited | settings
        self._runtime = Runtime(
            pid=os.getpid(),
            port=self._asked.port,
            public_url=self._asked.address,
            database_url=settings["DATABASE_URL"],
            redis_url=settings["REDIS_URL"],
            ready=False,
            children={},
            environment=settings,
        )
        self._prepare(env)
        self._start_application(env)
        self._runtime = replace(self._runtime, ready=True)
        self._record(self._pids)
        _say(table(self._asked.address, data=self._data))
        _say(f"ready: {self._asked.address}/")
        self.supervisor.watch()

    def _start_servers(self) -> dict[str, str]:
        """PostgreSQL and Redis, unless given; and the settings that all others get."""
        found = {}
        if self._asked.database_url is not None:
            external.check_database(self._asked.database_url)
            found["DATABASE_URL"] = self._asked.database_url
        if self._asked.redis_url is not None:
            external.check_redis(self._asked.redis_url)
            found["REDIS_URL"] = self._asked.redis_url
        if self._asked.database_url is None:
            with _step("PostgreSQL 18"):
                database = postgres.locate(self._data, env=self._inherited)
                if not database.cluster.is_relative_to(self._data):
                    _say(f"(PostgreSQL's data is in {database.cluster}: its user cannot reach {self._data})")
                database.steps(run=partial(self.supervisor.run_once, seconds=_PREPARE_SECONDS))
                self.supervisor.start(database.child())
                found["DATABASE_URL"] = database.url
        if self._asked.redis_url is None:
            with _step("Redis"):
                broker = redis.locate(self._data, env=self._inherited)
                self.supervisor.start(broker.child())
                found["REDIS_URL"] = broker.url
        return self._settings() | found

    def _settings(self) -> dict[str, str]:
        sms_port = free_port()
        return {
            "DJANGO_SETTINGS_MODULE": "clinic.settings.demo",
            "SECRET_KEY": _secret_key(self._data),
            "ALLOWED_HOSTS": f"{LOOPBACK},localhost",
            "PUBLIC_URL": self._asked.address,
            "ONSET_DATA": str(self._data),
            "SMTP_HOST": LOOPBACK,
            "SMTP_PORT": str(free_port()),
            "SMTP_STARTTLS": "0",
            "MAIL_FROM": "appointments@onset.example",
            "SMS_GATEWAY": "twilio",
            "SMS_PORT": str(sms_port),
            "TWILIO_ACCOUNT_SID": f"AC{secrets.token_hex(16)}",
            "TWILIO_AUTH_TOKEN": secrets.token_hex(16),
            "TWILIO_FROM": "+13035550100",
            "TWILIO_BASE_URL": f"http://{LOOPBACK}:{sms_port}",
            "PYTHONUNBUFFERED": "1",
            # The SMS gateway of the demo is on this machine, whatever proxy leads to the world.
            "NO_PROXY": ",".join(filter(None, [self._inherited.get("NO_PROXY"), LOOPBACK])),
        }

    def _prepare(self, env: Mapping[str, str]) -> None:
        """Migrate and seed, while the sinks start."""
        sinks = Child(
            name="sinks",
            argv=(sys.executable, "-m", "clinic.embedded.sinks"),
            env=env,
            cwd=ROOT,
            stage=_SINKS_STAGE,
            grace=1.0,
            ready=lambda: listens(int(env["SMTP_PORT"])) and listens(int(env["SMS_PORT"])),
        )
        prepare = Child(
            name="prepare",
            argv=(sys.executable, "manage.py", "prepare_demo"),
            env=env,
            cwd=ROOT,
            stage=_APPLICATION_STAGE,
            restart=False,
        )
        with _step("Database and demo clinic"):
            self.supervisor.launch(sinks)
            self.supervisor.run_once(prepare, seconds=_PREPARE_SECONDS)
            self.supervisor.await_ready("sinks")

    def _start_application(self, env: Mapping[str, str]) -> None:
        """Web, worker and beat, all at once."""
        children = [self._web(env), self._worker(env), self._beat(env)]
        with _step("Web, worker and beat"):
            for child in children:
                self.supervisor.launch(child)
            self.supervisor.await_ready(*(child.name for child in children))

    def _web(self, env: Mapping[str, str]) -> Child:
        port = self._asked.port
        argv = [sys.executable, "-m", "gunicorn", "clinic.wsgi:application", "--bind", f"{LOOPBACK}:{port}"]
        argv += ["--workers", "2", "--threads", "4", "--worker-class", "gthread", "--preload"]
        argv += ["--graceful-timeout", "3", "--no-control-socket"]
        return Child(
            name="web",
            argv=tuple(argv),
            env={**env, "DATABASE_POOL": "1"},
            cwd=ROOT,
            stage=_APPLICATION_STAGE,
            ready=HttpProbe(port, "/readyz"),
            ready_seconds=60.0,
        )

    def _worker(self, env: Mapping[str, str]) -> Child:
        mark = self._data / "worker-ready"
        argv = [*_CELERY, "worker", "--concurrency", "2", "--without-gossip", "--without-mingle"]
        argv += ["--loglevel", "INFO", "--include", "clinic.embedded.worker_ready"]
        return Child(
            name="worker",
            argv=tuple(argv),
            env={**env, "ONSET_WORKER_READY": str(mark)},
            cwd=ROOT,
            stage=_APPLICATION_STAGE,
            before=lambda: mark.unlink(missing_ok=True),
            ready=mark.exists,
            ready_seconds=60.0,
        )

    def _beat(self, env: Mapping[str, str]) -> Child:
        schedule = self._data / "beat" / "schedule"
        schedule.parent.mkdir(exist_ok=True)
        argv = [*_CELERY, "beat", "--schedule", str(schedule), "--loglevel", "WARNING"]
        return Child(name="beat", argv=tuple(argv), env=env, cwd=ROOT, stage=_APPLICATION_STAGE)

    def _record(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        if self._runtime is not None:
            with contextlib.suppress(OSError):  # a full disk must not stop the demo
                runtime.write(self._data, replace(self._runtime, children=pids))


_CELERY = [sys.executable, "-m", "celery", "-A", "clinic.celery"]


def main() -> int:
    """Run the demo until it is stopped. Returns 0 after a stop signal, 1 with a sentence otherwise."""
    return guarded(_run)


def _run() -> int:
    try:
        asked = wanted(os.environ)
        with claim(asked.data, reset=asked.reset) as data:
            return _run_on(data, asked)
    except EmbeddedError as error:
        _complain(str(error))
        return 1


def _run_on(data: Path, asked: Wanted) -> int:
    demo = Demo(asked, data)
    code = 0
    try:
        demo.run()
    except StopRequested as stop:
        reason = {signal.SIGINT: "Ctrl-C", signal.SIGHUP: "the terminal was closed"}
        _complain(f"stopping ({reason.get(stop.signum, stop.signum.name)}).")
    except EmbeddedError as error:
        _complain(str(error))
        code = 1
    except OSError as error:
        _complain(f"stopping, because of {error.filename or 'a system call'}: {error.strerror}.")
        code = 1
    finally:
        demo.supervisor.stop()
        with contextlib.suppress(OSError):
            runtime.forget(data)
    _complain(f"stopped; the data stays in {data}.")
    return code


def _secret_key(data: Path) -> str:
    """Random, and the same for every start on this data directory, so that sessions last."""
    path = data / "secret_key"
    if not path.exists():
        fresh = data / "secret_key.new"
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(48))
        fresh.replace(path)
    return path.read_text().strip()


@contextlib.contextmanager
def _step(what: str) -> Iterator[None]:
    """Tell how long a step of the start took."""
    begun = time.monotonic()
    yield
    _say(f"{what:<26}{time.monotonic() - begun:5.1f} s")


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # whoever was reading has gone
        print(text, flush=True)


def _complain(sentence: str) -> None:
    with contextlib.suppress(OSError):
        print(f"onset: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

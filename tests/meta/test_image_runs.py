"""The commands and health checks of docker-compose.yml, run here without Docker: production settings,
real PostgreSQL and Redis, the same words, only ports and paths of this machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from django.conf import settings
from django.db import connection

from tests.meta.image import OURS, command_of, environment_of, health_command_of, stages
from tests.meta.source import ROOT

DEADLINE_SECONDS = 60.0
GIVEN = {
    "SECRET_KEY": "only-for-this-test-9f2c71d05be84a36a1c4e8d2b7f06395",
    "POSTGRES_PASSWORD": "unused",
    "ALLOWED_HOSTS": "onset.example.org",
    "PUBLIC_URL": "https://onset.example.org",
    "SMTP_HOST": "127.0.0.1",
}


def container_environment(service: str) -> dict[str, str]:
    """What the container would get, with our servers in place of the compose network's."""
    database = connection.settings_dict
    where = quote(str(database["HOST"]), safe="")
    who = ":".join(quote(str(database[key]), safe="") for key in ("USER", "PASSWORD") if database[key])
    # A database of its own within Redis: no task of another test is taken, none is left to one.
    broker = urlsplit(settings.REDIS_URL)._replace(path="/9").geturl()
    return {
        **environment_of(service, GIVEN),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOSTNAME": socket.gethostname(),
        "DATABASE_URL": f"postgresql://{who}@{where}:{database['PORT']}/{database['NAME']}",
        "REDIS_URL": broker,
    }


def here(words: list[str], *, port: int, scratch: Path) -> list[str]:
    """The command with the container's port and /tmp replaced by ours, and less patience for silence."""
    replaced = [word.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for word in words]
    replaced = [word.replace("127.0.0.1:8000", f"127.0.0.1:{port}") for word in replaced]
    replaced = [word.replace("--timeout=10", "--timeout=2") for word in replaced]
    return [word.replace("=/tmp/", f"={scratch}/") for word in replaced]


@contextmanager
def running(command: list[str], env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The service, stopped at the latest when the test ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def is_healthy(command: list[str], env: Mapping[str, str]) -> bool:
    """Whether the container's health check would say so now."""
    try:
        run = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, check=False, timeout=DEADLINE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("service", ["web", "worker", "beat"])
def test_a_service_becomes_healthy_and_stops_when_asked(service: str, port: int, tmp_path: Path) -> None:
    env = container_environment(service)
    check = here(health_command_of(service), port=port, scratch=tmp_path)
    log = tmp_path / "log"
    assert not is_healthy(check, env), "healthy before it runs"
    with running(here(command_of(service), port=port, scratch=tmp_path), env, log) as process:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not is_healthy(check, env):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=DEADLINE_SECONDS) == 0, log.read_text()


@pytest.mark.parametrize("service", OURS)
@pytest.mark.django_db
def test_a_missing_variable_stops_the_start_with_one_sentence(
    service: str, port: int, tmp_path: Path
) -> None:
    env = container_environment(service) | {"SECRET_KEY": ""}
    command = here(command_of(service), port=port, scratch=tmp_path)
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 1
    [sentence] = [line for line in run.stderr.splitlines() if "[INFO]" not in line]
    assert sentence.startswith("onset: SECRET_KEY is missing.")


def test_the_image_can_collect_its_static_files(tmp_path: Path) -> None:
    """The build's own words and variables; only the place of the result is ours."""
    [step] = [rest for word, rest in stages()[0] if word == "RUN" and "collectstatic" in rest]
    assignments, _, command = step.partition(".venv/bin/python ")
    assert command == "manage.py collectstatic --noinput"
    script = (
        "import django; django.setup()\n"
        "from django.conf import settings\n"
        "from django.core.management import call_command\n"
        f"settings.STATIC_ROOT = {str(tmp_path / 'static')!r}\n"
        "call_command('collectstatic', interactive=False, verbosity=0)\n"
    )
    run = subprocess.run(
        ["/bin/sh", "-c", f'{assignments} exec "$PYTHON" -c "$SCRIPT"'],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHON": sys.executable,
            "SCRIPT": script,
            "DJANGO_SETTINGS_MODULE": "clinic.settings.base",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert (tmp_path / "static/staticfiles.json").exists()

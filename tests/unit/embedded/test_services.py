"""`python -m clinic.embedded.services -- COMMAND`: the command gets real servers, its exit code is
passed on, signals reach it, and nothing is left when it is over."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clinic.embedded.processes import processes_in, wait_until

ROOT = Path(__file__).resolve().parents[3]
# So that the servers of this test are told from those it runs on itself.
GIVEN = ("DATABASE_URL", "REDIS_URL", "ONSET_DATA", "DJANGO_SETTINGS_MODULE")
Started = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def services(tmp_path: Path) -> Started:
    """Start a Python program under the services; its output goes to a pipe."""

    def start(program: str, *options: str, **env: str) -> subprocess.Popen[str]:
        clean = {name: value for name, value in os.environ.items() if name not in GIVEN}
        return subprocess.Popen(
            [sys.executable, "-m", "clinic.embedded.services", *options, "--", sys.executable, "-c", program],
            cwd=ROOT,
            env={**clean, "TMPDIR": str(tmp_path), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_the_command_gets_servers_and_its_exit_code_is_ours(services: Started, tmp_path: Path) -> None:
    program = """if True:
        import json, os, psycopg, redis, sys
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            (fsync,) = connection.execute("show fsync").fetchone()
        with redis.from_url(os.environ["REDIS_URL"]) as client:
            client.ping()
        names = ("ONSET_DATA", "DJANGO_SETTINGS_MODULE")
        print(json.dumps({"fsync": fsync, **{name: os.environ.get(name) for name in names}}))
        sys.exit(7)
    """
    output, complaints = (process := services(program, "--fast")).communicate(timeout=60)
    assert process.returncode == 7, complaints
    assert complaints == ""
    found = json.loads(output)
    data = Path(found["ONSET_DATA"])
    assert data.is_relative_to(tmp_path)
    assert found["fsync"] == "off"
    assert found["DJANGO_SETTINGS_MODULE"] is None
    assert list(tmp_path.iterdir()) == []
    assert not processes_in(data / "postgres", command="postgres")


def test_servers_that_are_given_are_used(services: Started) -> None:
    program = "import os; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'])"
    urls = {"DATABASE_URL": "postgresql://given/db", "REDIS_URL": "redis://given/0"}
    output, complaints = services(program, **urls).communicate(timeout=60)
    assert (output, complaints) == ("postgresql://given/db redis://given/0\n", "")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_reach_the_command_which_decides(
    services: Started, tmp_path: Path, signum: signal.Signals
) -> None:
    program = f"""if True:
        import signal, sys
        signal.signal({int(signum)}, lambda *_: sys.exit(5))
        print("waiting", flush=True)
        while True:
            signal.pause()
    """
    process = services(program, "--fast")
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signum)
    process.communicate(timeout=30)
    assert process.returncode == 5
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_dies_of_a_signal_shows_as_in_a_shell(services: Started) -> None:
    process = services("import os; os.kill(os.getpid(), 9)", "--fast")
    process.communicate(timeout=60)
    assert process.returncode == 137


def test_a_command_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in GIVEN}
    ended = subprocess.run(
        [sys.executable, "-m", "clinic.embedded.services", "--fast", "--", "no-such-command"],
        cwd=ROOT,
        env={**clean, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == "onset: command cannot be started: no-such-command: No such file or directory.\n"
    assert list(tmp_path.iterdir()) == []


def test_what_a_command_leaves_running_is_ended_with_it(services: Started) -> None:
    program = (
        "import subprocess; p = subprocess.Popen(['setsid', 'sleep', '1000']); print(p.pid); p.returncode = 0"
    )
    process = services(program, "--fast")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    left = Path(f"/proc/{output.strip()}/cmdline")
    assert wait_until(lambda: not left.exists() or b"sleep" not in left.read_bytes(), seconds=5.0)

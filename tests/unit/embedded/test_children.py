"""How a child is started, and how processes are recognised in /proc."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clinic.embedded.children import LOG_BYTES, Child, open_log, spawn
from clinic.embedded.errors import EmbeddedError
from clinic.embedded.processes import processes_in, read_process, send


def test_a_log_is_continued_until_it_is_too_long(tmp_path: Path) -> None:
    for line in (b"first\n", b"second\n"):
        with open_log(tmp_path, "web") as log:
            log.write(line)
    assert (tmp_path / "web.log").read_bytes() == b"first\nsecond\n"
    with (tmp_path / "web.log").open("ab") as log:
        log.truncate(LOG_BYTES + 1)
    with open_log(tmp_path, "web") as log:
        log.write(b"third\n")
    assert (tmp_path / "web.log").read_bytes() == b"third\n"
    assert (tmp_path / "web.log.1").stat().st_size == LOG_BYTES + 1


def test_a_child_gets_its_environment_input_log_and_unblocked_signals(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; print(sorted(set(os.environ) - {'LC_CTYPE'}), sys.stdin.read(), "
        "signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.getsignal(signal.SIGHUP).name, "
        "os.getsid(0) == os.getpid())"
    )
    child = Child(name="one", argv=(sys.executable, "-c", program), env={"ONLY": "1"}, stdin="given")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = spawn(child, logs=tmp_path)
    finally:
        signal.signal(signal.SIGHUP, ignored)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert process.wait(timeout=10) == 0
    assert (tmp_path / "one.log").read_text() == "['ONLY'] given set() SIG_DFL True\n"


@pytest.mark.parametrize(
    ("program", "reason"),
    [("/no/such/program", "No such file or directory"), ("/etc/passwd", "Permission denied")],
)
def test_a_program_that_cannot_be_run_is_one_sentence(tmp_path: Path, program: str, reason: str) -> None:
    child = Child(name="one", argv=(program,), env={})
    with pytest.raises(EmbeddedError, match=rf"one cannot be started: {program}: {reason}\."):
        spawn(child, logs=tmp_path)


def test_a_log_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    with pytest.raises(EmbeddedError, match=r"The log of one cannot be written in .*log"):
        spawn(Child(name="one", argv=("/bin/true",), env={}), logs=tmp_path / "log")


def test_a_process_is_read_whatever_its_name(tmp_path: Path) -> None:
    odd = tmp_path / "a) S (b"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([odd, "1000"], cwd=tmp_path) as process:
        try:
            found = read_process(process.pid)
            assert found is not None
            assert (found.command, found.parent) == ("a) S (b", os.getpid())
            assert [one.pid for one in processes_in(tmp_path, command="a) S (b")] == [process.pid]
            assert processes_in(tmp_path, command="sleep") == []
        finally:
            process.kill()


def test_a_signal_never_reaches_another_process_of_the_same_pid() -> None:
    with subprocess.Popen(["/bin/sleep", "1000"]) as process:
        try:
            found = read_process(process.pid)
            assert found is not None
            earlier = dataclasses.replace(found, started=1)
            send(signal.SIGKILL, [earlier])
            assert process.poll() is None
            send(signal.SIGKILL, [found])
            assert process.wait(timeout=5) == -signal.SIGKILL
        finally:
            process.kill()

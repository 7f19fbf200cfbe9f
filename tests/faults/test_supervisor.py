"""The supervisor is hurt in every way we could think of: whatever happens, what should run comes back
within seconds or everything stops with a reason, and never is a process left behind."""

import contextlib
import json
import os
import pty
import pwd
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dj_database_url
import psycopg
import pytest
import redis

from clinic.embedded.binaries import postgres_install
from clinic.embedded.privileges import outside_place
from clinic.embedded.processes import Process, processes, wait_until

ROOT = Path(__file__).resolve().parents[2]
STOP_LIMIT = 10.0
STEADY = "exec sleep 1000"


def eventually(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait for the condition and fail the test when it does not come true."""
    assert wait_until(condition, seconds=seconds)


def members(data: Path) -> list[Process]:
    """The living processes of the stack on this directory, known by what /proc shows of them."""

    def belongs(process: Process) -> bool:
        entry = Path(f"/proc/{process.pid}")
        with contextlib.suppress(OSError):
            if str(data).encode() in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                return True
            return (entry / "cwd").readlink().is_relative_to(data)
        return False

    mine = os.getpid()
    return [one for one in processes() if one.state != "Z" and one.pid != mine and belongs(one)]


def listens_on(sockets: Path) -> bool:
    """Whether a PostgreSQL takes connections in this directory."""
    try:
        psycopg.connect(host=str(sockets), user="onset", dbname="onset").close()
    except psycopg.OperationalError:
        return False
    return True


class Stack:
    """A supervised stack in a process of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.process: subprocess.Popen[bytes] | None = None
        self.output = data.with_name(f"{data.name}.out")

    def start(
        self,
        *children: tuple[str, str],
        servers: bool = False,
        wait: bool = True,
        prefix: tuple[str, ...] = (),
        **env: str,
    ) -> None:
        """Start it and wait until all of it serves."""
        self.data.mkdir(exist_ok=True)
        (self.data / "pids.json").unlink(missing_ok=True)
        argv = [
            *prefix,
            sys.executable,
            "-m",
            "tests.faults.supervised",
            str(self.data),
            *(["--servers"] * servers),
        ]
        for child in children:
            argv += ["--child", *child]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                argv,
                cwd=ROOT,
                env=os.environ | env,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        process = self.process
        if wait:
            wait_until(lambda: "ready\n" in self.said() or process.poll() is not None, seconds=60.0)
            assert "ready\n" in self.said(), self.said()

    def said(self) -> str:
        """All that it has printed."""
        return self.output.read_text()

    def pid(self, name: str) -> int:
        """The pid of a child, `supervisor` or `guard`; 0 while it is not running."""
        with contextlib.suppress(FileNotFoundError):
            pids: dict[str, int] = json.loads((self.data / "pids.json").read_text())
            return pids.get(name, 0)
        return 0

    def kill(self, name: str, signum: signal.Signals = signal.SIGKILL) -> None:
        """Signal one of its processes."""
        os.kill(self.pid(name), signum)

    def ended(self, *, seconds: float = STOP_LIMIT) -> int:
        """Wait for its end and return the exit code."""
        assert self.process is not None
        return self.process.wait(timeout=seconds)

    def url(self, name: str) -> str:
        """DATABASE_URL or REDIS_URL of its servers."""
        urls: dict[str, str] = json.loads((self.data / "urls.json").read_text())
        return urls[name]

    def sockets(self) -> Path:
        """The directory of PostgreSQL's socket."""
        return Path(dj_database_url.parse(self.url("DATABASE_URL"))["HOST"])

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement in a connection of its own."""
        with psycopg.connect(self.url("DATABASE_URL")) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def answers(self) -> bool:
        """Whether both servers do their work."""
        try:
            self.sql("select 1")
            with contextlib.closing(redis.from_url(self.url("REDIS_URL"))) as client:
                client.ping()
        except (psycopg.OperationalError, redis.RedisError):
            return False
        return True

    def nothing_left(self) -> bool:
        """Whether no process of it lives."""
        return not members(self.data)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of a fresh cluster: making one takes seconds where disks are slow, copying it does not."""
    with ended_afterwards(tmp_path_factory.mktemp("made")) as stack:
        stack.start(servers=True)
        stack.kill("guard", signal.SIGTERM)
        assert stack.ended() == 0
        yield stack.data / "postgres"


@pytest.fixture
def stack(tmp_path: Path, made: Path) -> Iterator[Stack]:
    """A stack with a cluster, but nothing running yet."""
    with ended_afterwards(tmp_path) as stack:
        shutil.copytree(made, stack.data / "postgres")
        yield stack


@pytest.fixture
def empty_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack that has never been started."""
    with ended_afterwards(tmp_path) as stack:
        yield stack


@contextlib.contextmanager
def ended_afterwards(place: Path) -> Iterator[Stack]:
    """A stack that is ended whatever a test did to it."""
    stack = Stack(place.resolve() / "data")
    yield stack
    for process in members(stack.data):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    if stack.process is not None:
        stack.ended(seconds=5.0)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(stack.sockets(), ignore_errors=True)
    shutil.rmtree(outside_place(stack.data), ignore_errors=True)


def test_a_killed_child_is_started_again_at_once(stack: Stack) -> None:
    stack.start(("one", STEADY), ("two", STEADY))
    first, other = stack.pid("one"), stack.pid("two")
    stack.kill("one")
    eventually(lambda: stack.pid("one") not in {0, first}, seconds=2.0)
    assert stack.pid("two") == other
    assert "one was ended by signal 9; starting it again." in stack.said()


def test_what_a_killed_child_had_started_is_ended_before_it_starts_again(stack: Stack) -> None:
    stack.start(("one", "echo $$ >> started; sleep 1000 & sleep 1000 & wait"))
    eventually(lambda: len(members(stack.data)) == 5)
    before = {process.pid for process in members(stack.data)} - {stack.pid("guard"), stack.pid("supervisor")}
    stack.kill("one")
    eventually(lambda: len((stack.data / "started").read_text().split()) == 2)
    eventually(lambda: len(members(stack.data)) == 5)
    assert before.isdisjoint(process.pid for process in members(stack.data))


def test_killed_postgres_comes_back_with_all_it_had_committed(stack: Stack) -> None:
    stack.start(servers=True)
    stack.sql("create table kept as select 42 as answer")
    first = stack.pid("postgres")
    # A backend that is busy does not notice that its postmaster is dead.
    busy = threading.Thread(target=_busy_loop, args=(stack.url("DATABASE_URL"),))
    busy.start()
    running = "select 1 from pg_stat_activity where query like 'do %' and state = 'active'"
    eventually(lambda: bool(stack.sql(running)))
    stack.kill("postgres")
    eventually(lambda: stack.pid("postgres") not in {0, first})
    eventually(stack.answers)
    busy.join(timeout=5.0)
    assert not busy.is_alive()
    assert stack.sql("select answer from kept") == [(42,)]


def _busy_loop(url: str) -> None:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url) as connection:
        connection.execute("do $$begin loop end loop; end$$")


def test_killed_redis_comes_back_with_all_it_had_taken(stack: Stack) -> None:
    stack.start(servers=True)
    with contextlib.closing(redis.from_url(stack.url("REDIS_URL"))) as client:
        client.rpush("queue", *range(1000))
    first = stack.pid("redis")
    stack.kill("redis")
    eventually(lambda: stack.pid("redis") not in {0, first})
    eventually(stack.answers)
    with contextlib.closing(redis.from_url(stack.url("REDIS_URL"))) as client:
        assert client.llen("queue") == 1000


def test_a_child_that_keeps_dying_stops_everything_with_a_reason(stack: Stack) -> None:
    stack.start(("well", STEADY), ("ill", "echo 'the disk is on fire' >&2; exit 3"))
    assert stack.ended(seconds=30.0) == 1
    last = stack.said().splitlines()[-1]
    assert last.startswith("ill died 6 times within 60 s (the last time it ended with code 3): ")
    assert "the disk is on fire" in last
    assert stack.nothing_left()


def test_a_server_that_cannot_start_stops_everything_with_a_reason(stack: Stack) -> None:
    stack.start(servers=True)
    stack.kill("guard", signal.SIGTERM)
    assert stack.ended() == 0
    (stack.data / "postgres" / "postgresql.conf").write_text("nonsense = 1\n")
    stack.start(servers=True, wait=False)
    assert stack.ended(seconds=30.0) == 1
    assert "postgres ended with code 1 while starting: " in stack.said()
    assert stack.nothing_left()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("target", ["guard", "supervisor"])
def test_a_stop_signal_stops_all_and_is_success(stack: Stack, target: str, signum: signal.Signals) -> None:
    stack.start(("one", STEADY), ("two", "sleep 1000 & sleep 1000"))
    stack.kill(target, signum)
    assert stack.ended() == 0
    assert stack.nothing_left()


def test_under_nohup_it_outlives_its_terminal(stack: Stack) -> None:
    stack.start(("one", STEADY), prefix=("nohup",))
    first = stack.pid("one")
    stack.kill("guard", signal.SIGHUP)
    stack.kill("supervisor", signal.SIGHUP)
    stack.kill("one")  # noticed after the signals before it
    eventually(lambda: stack.pid("one") not in {0, first})
    stack.kill("guard", signal.SIGTERM)
    assert stack.ended() == 0


def test_stopping_goes_from_the_application_to_redis_to_postgres(stack: Stack) -> None:
    (stack.data / "check.py").write_text(
        "import os, psycopg, redis\n"
        "psycopg.connect(os.environ['DATABASE_URL']).close()\n"
        "redis.from_url(os.environ['REDIS_URL']).ping()\n"
    )
    command = f"trap '{sys.executable} check.py && touch servers-were-there; exit' TERM"
    stack.start(("one", f"{command}; touch waiting; while :; do sleep 0.05; done"), servers=True)
    eventually((stack.data / "waiting").exists)
    stack.kill("guard", signal.SIGTERM)
    assert stack.ended() == 0
    assert (stack.data / "servers-were-there").exists()
    assert stack.nothing_left()
    said = (stack.data / "log" / "postgres.log").read_text()
    assert "received fast shutdown request" in said
    assert said.rstrip().endswith("database system is shut down")
    assert "User requested shutdown" in (stack.data / "log" / "redis.log").read_text()
    redis_ended = (stack.data / "log" / "redis.log").stat().st_mtime
    assert redis_ended < (stack.data / "log" / "postgres.log").stat().st_mtime


def test_a_stop_is_in_time_when_children_will_not_go_and_signals_rain(stack: Stack) -> None:
    deaf = "trap '' TERM INT HUP; touch {}; while :; do sleep 0.05; done"
    stack.start(("one", deaf.format("one")), ("two", deaf.format("two")), servers=True)
    eventually(lambda: (stack.data / "one").exists() and (stack.data / "two").exists())
    begun = time.monotonic()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        stack.kill("guard", signum)
        stack.kill("supervisor", signum)
    assert stack.ended() == 0
    assert time.monotonic() - begun < STOP_LIMIT
    assert stack.nothing_left()
    assert (stack.data / "log" / "postgres.log").read_text().rstrip().endswith("database system is shut down")


@pytest.mark.parametrize("victims", [["supervisor"], ["guard"], ["guard", "supervisor"]], ids="-".join)
def test_killing_what_watches_leaves_no_process_behind(stack: Stack, victims: list[str]) -> None:
    stack.start(("one", STEADY), ("two", STEADY), servers=True)
    for victim in victims:
        stack.kill(victim)
    assert stack.ended() != 0
    eventually(stack.nothing_left, seconds=STOP_LIMIT)


def test_killing_the_supervisor_takes_grandchildren_along(stack: Stack) -> None:
    stack.start(("one", "setsid sleep 1000 & trap '' TERM; sleep 1000 & touch up; wait"))
    eventually((stack.data / "up").exists)
    stack.kill("supervisor")
    assert stack.ended() == 1
    assert stack.nothing_left()


def test_data_is_kept_from_one_start_to_the_next(stack: Stack) -> None:
    stack.start(servers=True)
    stack.sql("create table kept as select 42 as answer")
    with contextlib.closing(redis.from_url(stack.url("REDIS_URL"))) as client:
        client.set("kept", "yes")
    stack.kill("guard", signal.SIGTERM)
    assert stack.ended() == 0
    stack.start(servers=True)
    assert stack.sql("select answer from kept") == [(42,)]
    with contextlib.closing(redis.from_url(stack.url("REDIS_URL"))) as client:
        assert client.get("kept") == b"yes"


def test_durability_is_on_and_the_database_is_reached_only_through_its_socket(stack: Stack) -> None:
    stack.start(servers=True)
    names = ["fsync", "full_page_writes", "synchronous_commit", "listen_addresses"]
    assert [stack.sql(f"show {name}")[0][0] for name in names] == ["on", "on", "on", ""]
    with contextlib.closing(redis.from_url(stack.url("REDIS_URL"))) as client:
        assert client.config_get("append*") | {"appendonly": "yes", "appendfsync": "everysec"} == (
            client.config_get("append*")
        )
    assert stack.sockets().stat().st_mode & 0o777 == 0o700


def test_servers_left_by_an_earlier_start_are_ended_first(stack: Stack) -> None:
    stack.start(servers=True)
    cluster = stack.data / "postgres"
    stack.kill("guard", signal.SIGTERM)
    assert stack.ended() == 0
    program = postgres_install().program("postgres")
    prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] if os.geteuid() == 0 else []
    left = subprocess.Popen(
        [*prefix, str(program), "-D", str(cluster), "-c", "listen_addresses=", "-k", str(stack.sockets())],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: listens_on(stack.sockets()))
    stack.start(servers=True)
    left.wait(timeout=5.0)
    assert stack.answers()
    assert stack.pid("postgres") != left.pid


def test_a_lock_file_that_names_somebody_elses_process_is_no_obstacle(stack: Stack) -> None:
    stack.start(servers=True)
    stack.kill("guard", signal.SIGTERM)
    assert stack.ended() == 0
    stale = f"{os.getpid()}\n{stack.data / 'postgres'}\n1\n5432\n{stack.sockets()}\n\n\nready   \n"
    (stack.data / "postgres" / "postmaster.pid").write_text(stale)
    (stack.sockets() / ".s.PGSQL.5432.lock").write_text(stale)
    stack.start(servers=True)
    assert stack.answers()


def test_an_interrupted_first_start_is_begun_again(empty_stack: Stack) -> None:
    stack = empty_stack
    stack.start(servers=True, wait=False)
    eventually((stack.data / "postgres.new" / "PG_VERSION").exists)
    stack.kill("supervisor")
    assert stack.ended() == 1
    assert stack.nothing_left()
    assert not (stack.data / "postgres").exists()
    stack.start(servers=True)
    assert stack.answers()


def test_a_stop_signal_during_the_first_start_is_obeyed(empty_stack: Stack) -> None:
    stack = empty_stack
    stack.start(servers=True, wait=False)
    eventually((stack.data / "postgres.new" / "PG_VERSION").exists)
    stack.kill("guard", signal.SIGINT)
    assert stack.ended() == 0
    assert stack.nothing_left()


@pytest.mark.parametrize(
    "name", ["Größe, with 'quotes' \"and\" 100% Capitals", "deep/" + "x" * 60 + "/" + "y" * 60]
)
def test_any_directory_will_do(tmp_path: Path, made: Path, name: str) -> None:
    stack = Stack(tmp_path.resolve() / name)
    shutil.copytree(made, stack.data / "postgres")
    try:
        stack.start(servers=True)
        assert stack.answers()
        assert len(os.fsencode(f"{stack.sockets()}/.s.PGSQL.5432")) < 90
        assert listens_on(stack.sockets())
    finally:
        stack.kill("guard", signal.SIGTERM)
        stack.ended()
        shutil.rmtree(stack.sockets(), ignore_errors=True)
    assert stack.nothing_left()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_root_without_user_namespaces_runs_postgres_as_nobody(empty_stack: Stack) -> None:
    stack = empty_stack
    stack.data.mkdir(mode=0o700)
    before = stack.data.stat().st_mode
    stack.start(servers=True, ONSET_PG_MODE="nobody")
    stack.sql("create table kept as select 42 as answer")
    assert Path(f"/proc/{stack.pid('postgres')}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    stack.kill("postgres")
    eventually(stack.answers)
    assert stack.sql("select answer from kept") == [(42,)]
    # pytest's directories are closed to others, and stay so; the cluster is where nobody gets to.
    assert (outside_place(stack.data) / "postgres" / "PG_VERSION").exists()
    assert stack.data.stat().st_mode == before
    stack.kill("guard", signal.SIGTERM)
    assert stack.ended() == 0
    assert stack.nothing_left()
    assert not [
        one for one in processes() if one.command == "postgres" and _in(one, outside_place(stack.data))
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_cluster_follows_when_root_runs_postgres_in_another_way(made: Path) -> None:
    reachable = Path("/var/tmp", f"onset-test-{os.getpid()}")  # noqa: S108 - a place nobody can reach
    reachable.mkdir(mode=0o755)
    stack = Stack(reachable / "data")
    shutil.copytree(made, stack.data / "postgres")
    try:
        for number, mode in enumerate(("userns", "nobody", "userns")):
            stack.start(servers=True, ONSET_PG_MODE=mode)
            stack.sql("create table if not exists kept as select 42 as answer")
            stack.sql("insert into kept values (42)")
            assert len(stack.sql("select answer from kept")) == number + 2
            stack.kill("guard", signal.SIGTERM)
            assert stack.ended() == 0
        assert stack.nothing_left()
    finally:
        shutil.rmtree(reachable)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_cluster_that_nobody_cannot_reach_is_named_and_not_replaced(stack: Stack) -> None:
    stack.start(servers=True, wait=False, ONSET_PG_MODE="nobody")
    assert stack.ended(seconds=30.0) == 1
    assert f"The data of this demo is in {stack.data / 'postgres'}, which" in stack.said()
    assert not (outside_place(stack.data) / "postgres").exists()


def _in(process: Process, place: Path) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process.pid}/cwd").readlink().is_relative_to(place)
    return False


class Terminal:
    """`make` in a terminal of its own, running a stack by `exec` as our Makefile does."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        makefile = stack.data.with_name("Makefile")
        command = f"exec {sys.executable} -m tests.faults.supervised {stack.data} --child one 'sleep 1000'"
        makefile.write_text(f"demo:\n\t@{command}\n")
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execvp("make", ["make", "-f", str(makefile), "demo"])  # noqa: S606
        self.shown = b""
        eventually(self._sees_ready, seconds=30.0)

    def _sees_ready(self) -> bool:
        if select.select([self.screen], [], [], 0.1)[0]:
            self.shown += os.read(self.screen, 4096)
        return b"ready" in self.shown

    def make_ended(self) -> bool:
        """Whether make is gone."""
        return os.waitpid(self.pid, os.WNOHANG)[0] == self.pid


@pytest.fixture
def terminal(stack: Stack) -> Iterator[Terminal]:
    """A terminal in which the stack runs under make."""
    terminal = Terminal(stack)
    yield terminal
    with contextlib.suppress(OSError):
        os.close(terminal.screen)
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(terminal.pid, signal.SIGKILL)
        os.waitpid(terminal.pid, 0)


def test_ctrl_c_in_the_terminal_stops_all(terminal: Terminal) -> None:
    os.write(terminal.screen, b"\x03")
    eventually(terminal.make_ended, seconds=STOP_LIMIT)
    assert terminal.stack.nothing_left()


def test_closing_the_terminal_stops_all(terminal: Terminal) -> None:
    os.close(terminal.screen)
    eventually(terminal.make_ended, seconds=STOP_LIMIT)
    eventually(terminal.stack.nothing_left, seconds=STOP_LIMIT)


def test_ending_make_stops_all_before_make_returns(terminal: Terminal) -> None:
    os.kill(terminal.pid, signal.SIGTERM)
    eventually(terminal.make_ended, seconds=STOP_LIMIT)
    assert terminal.stack.nothing_left()


def test_killing_make_stops_all(terminal: Terminal) -> None:
    os.kill(terminal.pid, signal.SIGKILL)
    eventually(terminal.make_ended, seconds=STOP_LIMIT)
    eventually(terminal.stack.nothing_left, seconds=STOP_LIMIT)

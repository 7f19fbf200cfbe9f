"""`python -m clinic.embedded.services [--fast] -- COMMAND…` runs a command with a PostgreSQL and a
Redis of its own, which vanish with it. `make test` and the benchmarks are run by it; DATABASE_URL
and REDIS_URL, when set, are used instead."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from clinic.embedded import environment, postgres, redis
from clinic.embedded.children import Child
from clinic.embedded.errors import EmbeddedError
from clinic.embedded.guard import guarded
from clinic.embedded.supervisor import StopRequested, Supervisor

_INITDB_SECONDS = 120.0
_COMMAND_STAGE = 9


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m clinic.embedded.services", description=__doc__)
    parser.add_argument("--fast", action="store_true", help="no fsync: quicker, for data that may be lost")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    given = parser.parse_args(arguments)
    return guarded(partial(_run, given.command, fast=given.fast))


def _run(command: list[str], *, fast: bool) -> int:
    data = Path(tempfile.mkdtemp(prefix="onset-services-")).resolve()
    supervisor = Supervisor(logs=data / "log", tell=_say)
    places = [data]
    try:
        env = _start_servers(supervisor, places, fast=fast)
        child = Child(
            name="command",
            argv=tuple(command),
            env=env,
            cwd=Path.cwd(),
            stage=_COMMAND_STAGE,
            restart=False,
            logged=False,
        )
        return supervisor.run_command(child)
    except StopRequested as stop:
        return 128 + stop.signum
    except EmbeddedError as error:
        _say(str(error))
        return 1
    finally:
        supervisor.stop()
        for place in places:
            shutil.rmtree(place, ignore_errors=True)


def _start_servers(supervisor: Supervisor, places: list[Path], *, fast: bool) -> Mapping[str, str]:
    """Start what is not given and return the environment for the command. `places` starts with the data
    directory; what else must go in the end is added."""
    data = places[0]
    env = environment.for_children()
    children: list[Child] = []
    found = {"ONSET_DATA": str(data)}
    if "DATABASE_URL" not in env:
        database = postgres.locate(data, env=env, fast=fast)
        places += [database.cluster.parent, database.sockets]
        database.steps(run=partial(supervisor.run_once, seconds=_INITDB_SECONDS))
        found["DATABASE_URL"] = database.url
        children.append(database.child())
    if "REDIS_URL" not in env:
        broker = redis.locate(data, env=env, fast=fast)
        found["REDIS_URL"] = broker.url
        children.append(broker.child())
    for child in children:
        supervisor.launch(child)
    supervisor.await_ready(*(child.name for child in children))
    return {**env, **found}


def _say(sentence: str) -> None:
    print(f"onset: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

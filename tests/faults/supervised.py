"""`python -m tests.faults.supervised DATA [--servers] [--child NAME COMMAND]…`: a small stack under the
real supervisor, for tests to hurt. It prints `ready` when all of it serves, and keeps DATA/pids.json."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from clinic.embedded import environment, postgres, redis
from clinic.embedded.children import Child
from clinic.embedded.errors import EmbeddedError
from clinic.embedded.guard import guarded
from clinic.embedded.supervisor import StopRequested, Supervisor

CHILD_STAGE = 3


def say(sentence: str) -> None:
    """Write a line at once, whatever standard output is."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _run(data: Path, *, servers: bool, commands: list[list[str]]) -> int:
    def record(pids: Mapping[str, int]) -> None:
        fresh = data / "pids.new"
        fresh.write_text(json.dumps({**pids, "supervisor": os.getpid(), "guard": os.getppid()}))
        fresh.replace(data / "pids.json")

    supervisor = Supervisor(logs=data / "log", tell=say, changed=record)
    # Every process of the stack can be recognised by this, whatever becomes of it.
    env = environment.for_children() | {"SUPERVISED": str(data)}
    try:
        if servers:
            database, broker = postgres.locate(data, env=env), redis.locate(data, env=env)
            database.steps(run=partial(supervisor.run_once, seconds=120.0))
            supervisor.start(database.child())
            supervisor.start(broker.child())
            urls = {"DATABASE_URL": database.url, "REDIS_URL": broker.url}
            (data / "urls.json").write_text(json.dumps(urls))
            env |= urls
        children = [
            Child(name=name, argv=("/bin/sh", "-c", command), env=env, cwd=data, stage=CHILD_STAGE, grace=4.0)
            for name, command in commands
        ]
        for child in children:
            supervisor.launch(child)
        say("ready")
        supervisor.watch()
    except StopRequested:
        return 0
    except EmbeddedError as error:
        say(str(error))
        return 1
    finally:
        supervisor.stop()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--servers", action="store_true")
    parser.add_argument("--child", nargs=2, action="append", default=[], metavar=("NAME", "COMMAND"))
    given = parser.parse_args()
    sys.exit(guarded(partial(_run, given.data.resolve(), servers=given.servers, commands=given.child)))

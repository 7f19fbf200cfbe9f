"""Receiving every change as it happens. This process becomes pg_receivewal, which reconnects by itself, ends
at SIGTERM, and with --synchronous has each change on disk before it says so."""

import os
from pathlib import Path
from typing import NoReturn

from clinic.operations import places, programs

NAME = "onset_wal"
"""The slot's name, and the one to write into synchronous_standby_names."""


def stream(*, url: str, root: Path) -> NoReturn:
    """Write the WAL of the server of ``url`` into ``root``/wal until stopped. Raises Refused."""
    server = programs.ask(url)
    programs.require_replication(server)
    receiver = programs.find("pg_receivewal", major=server.major)
    env = programs.environment(url) | {"PGAPPNAME": NAME}
    directory = root / places.WAL
    with places.claimed(directory, "receiver"):
        slot = f"--slot={NAME}"
        programs.run(receiver, slot, "--create-slot", "--if-not-exists", "--no-password", env=env)
    # The slot keeps a second receiver out from here on.
    arguments = [f"--directory={directory}", slot, "--synchronous", "--no-password"]
    os.execve(receiver, [str(receiver), *arguments], env)  # noqa: S606 - nothing of ours is left to do

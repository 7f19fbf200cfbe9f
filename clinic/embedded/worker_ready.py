"""Included into the demo's Celery worker: says that it consumes by touching $ONSET_WORKER_READY."""

import os
from pathlib import Path

from celery.signals import worker_ready


@worker_ready.connect
def say_ready(**_: object) -> None:
    """Touch the file that the supervisor waits for."""
    Path(os.environ["ONSET_WORKER_READY"]).touch()

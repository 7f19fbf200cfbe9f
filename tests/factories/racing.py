"""Several callers at the same moment, each on a thread and a database connection of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connections

from clinic.common.errors import DomainError


def at_once(jobs: Sequence[Callable[[], object]]) -> list[object]:
    """Run the jobs together; what each came to: its result, or the code of its refusal."""
    gate = Barrier(len(jobs))

    def run(job: Callable[[], object]) -> object:
        gate.wait(30)
        try:
            return job()
        except DomainError as error:
            return error.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def race(jobs: Sequence[Callable[[], object]]) -> list[str]:
    """The same for jobs whose result does not matter: "ok", or the code of the refusal."""

    def forget(job: Callable[[], object]) -> Callable[[], object]:
        def run() -> str:
            job()
            return "ok"

        return run

    return [str(came) for came in at_once([forget(job) for job in jobs])]

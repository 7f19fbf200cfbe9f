"""Behind a PgBouncer that pools transactions nothing may be left in a session."""

import os
import subprocess
import sys

import pytest

from tests.unit.settings.test_start_is_refused import GOOD, ROOT

SHOW = (
    "from django.conf import settings; found = settings.DATABASES['default'];"
    "options = found['OPTIONS'].get('options', '');"
    "print(found.get('DISABLE_SERVER_SIDE_CURSORS', False), 'lock_timeout' in options)"
)


@pytest.mark.parametrize(("given", "shown"), [("", "False True"), ("0", "False True"), ("1", "True False")])
def test_timeouts_and_cursors_follow_the_switch(given: str, shown: str) -> None:
    env = {"PATH": os.environ["PATH"], **GOOD, "DATABASE_PGBOUNCER": given}
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout.strip(), done.stderr) == (shown, "")

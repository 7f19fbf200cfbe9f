"""What the test suite runs on: the demo's switches, cheaper passwords, throw-away data."""

import os
import tempfile
from urllib.parse import urlsplit

_DEFAULTS = {
    "SECRET_KEY": "only-for-tests-0123456789-0123456789",
    "ALLOWED_HOSTS": "*",
    "PUBLIC_URL": "http://testserver",
    "DATABASE_URL": "postgresql://onset@127.0.0.1:9/not-started",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SMTP_HOST": "127.0.0.1",
    "SMTP_PORT": "9",
    "SMS_GATEWAY": "twilio",
    "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000000",
    "TWILIO_AUTH_TOKEN": "test",
    "TWILIO_FROM": "+13035550100",
    "ONSET_DATA": tempfile.gettempdir(),
}
for _name, _value in _DEFAULTS.items():
    os.environ.setdefault(_name, _value)

from clinic.settings.demo import *  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_TASK_ALWAYS_EAGER = False
WHITENOISE_AUTOREFRESH = True
# Parallel test workers share one Redis server; clearing a cache empties a whole database of it.
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
CACHES["default"]["LOCATION"] = urlsplit(REDIS_URL)._replace(path=f"/{1 + _worker % 15}").geturl()

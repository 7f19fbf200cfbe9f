"""Production settings with something missing or wrong: one sentence on stderr, exit code 1, nothing else.

Each case is a process of its own, because that is what an operator starts.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
GOOD = {
    "DJANGO_SETTINGS_MODULE": "clinic.settings.base",
    "SECRET_KEY": "only-for-this-test-7c1e94b05dfa4863a2e09d1b5f8c3746",
    "ALLOWED_HOSTS": "onset.example.org",
    "PUBLIC_URL": "https://onset.example.org",
    "DATABASE_URL": "postgresql://onset@127.0.0.1:9/onset",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SMTP_HOST": "127.0.0.1",
}
TWILIO = {
    "SMS_GATEWAY": "twilio",
    "TWILIO_ACCOUNT_SID": "AC0",
    "TWILIO_AUTH_TOKEN": "t",
    "TWILIO_FROM": "+13035550100",
}
DEMO = {"DJANGO_SETTINGS_MODULE": "clinic.settings.demo"}


def run(*arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Python with the good environment and these changes; None unsets."""
    env = {"PATH": os.environ["PATH"], **GOOD, **changes}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={name: value for name, value in env.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def start(**changes: str | None) -> subprocess.CompletedProcess[str]:
    """Read the settings, as every process of ours does first."""
    return run("-c", "from django.conf import settings; settings.DEBUG", **changes)


def test_the_good_environment_is_good() -> None:
    result = start()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_good_environment_with_twilio_is_good() -> None:
    assert start(**TWILIO).returncode == 0


def test_an_e_mail_provider_needs_no_relay_and_gets_its_own_variables(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    result = run(
        "-c",
        "from django.conf import settings; print(settings.EMAIL_BACKEND, sorted(settings.ANYMAIL.items()))",
        SMTP_HOST=None,
        EMAIL_PROVIDER="mailgun",
        ANYMAIL_MAILGUN_API_KEY_FILE=str(tmp_path / "key"),
        ANYMAIL_MAILGUN_SENDER_DOMAIN="mg.example.org",
    )
    assert result.stdout == (
        "anymail.backends.mailgun.EmailBackend "
        "[('MAILGUN_API_KEY', 'secret'), ('MAILGUN_SENDER_DOMAIN', 'mg.example.org')]\n"
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SECRET_KEY": None}, "SECRET_KEY is missing"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is shorter"),
        ({"ALLOWED_HOSTS": None}, "ALLOWED_HOSTS is missing"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS is *"),
        ({"ALLOWED_HOSTS": "elsewhere.example.org"}, "ALLOWED_HOSTS does not hold"),
        ({"PUBLIC_URL": None}, "PUBLIC_URL is missing"),
        ({"PUBLIC_URL": "onset.example.org"}, "PUBLIC_URL must start with https://"),
        ({"PUBLIC_URL": "https://onset.example.org/app"}, "PUBLIC_URL must be a scheme and a host only"),
        ({"DATABASE_URL": None}, "DATABASE_URL is missing"),
        ({"DATABASE_URL": "mysql://onset@db/onset"}, "DATABASE_URL must start with postgresql://"),
        ({"DATABASE_URL": "postgresql://onset@db:port/onset"}, "DATABASE_URL cannot be read"),
        ({"DATABASE_URL": "postgresql://onset:a#b@db/onset"}, "DATABASE_URL cannot be read"),
        ({"DATABASE_URL": "postgresql://onset@db:5432"}, "DATABASE_URL names no database"),
        ({"REDIS_URL": None}, "REDIS_URL is missing"),
        ({"REDIS_URL": "http://redis:6379/0"}, "REDIS_URL must start with redis://"),
        ({"REDIS_URL": "redis://redis:70000/0"}, "REDIS_URL cannot be read"),
        ({"SMTP_HOST": None}, "SMTP_HOST is missing"),
        ({"SMTP_PORT": "smtp"}, "SMTP_PORT is 'smtp'"),
        ({"SMTP_STARTTLS": "perhaps"}, "SMTP_STARTTLS is 'perhaps'"),
        ({"MAIL_FROM": "nobody"}, "MAIL_FROM is no e-mail address"),
        ({"SMS_GATEWAY": "pigeon"}, "SMS_GATEWAY is 'pigeon', but must be one of: twilio, off"),
        ({**TWILIO, "TWILIO_ACCOUNT_SID": None}, "TWILIO_ACCOUNT_SID is missing"),
        ({**TWILIO, "TWILIO_AUTH_TOKEN": None}, "TWILIO_AUTH_TOKEN is missing"),
        ({**TWILIO, "TWILIO_FROM": None}, "TWILIO_FROM is missing"),
        ({"EMAIL_PROVIDER": "pigeon"}, "EMAIL_PROVIDER is 'pigeon', but must be one of: smtp, brevo"),
        ({"API_RATE": "often"}, "API_RATE is 'often'"),
        ({"TICK_SECONDS": "0"}, "TICK_SECONDS is '0'"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL is 'LOUD'"),
        # What only a demo may have.
        ({"ONSET_DATA": "/tmp/demo"}, "ONSET_DATA is set, but production has no demo clock or mailbox"),  # noqa: S108
        ({"TWILIO_BASE_URL": "http://127.0.0.1:1"}, "TWILIO_BASE_URL is set, but production has no"),
        ({**DEMO, "ONSET_DATA": None}, "ONSET_DATA is missing"),
    ],
    ids=lambda value: value.split(",")[0].replace("/", "") if isinstance(value, str) else "",
)
def test_the_start_is_refused(changes: dict[str, str | None], named: str) -> None:
    result = start(**changes)
    assert result.returncode == 1
    assert result.stdout == ""
    [sentence] = result.stderr.splitlines()
    assert sentence.startswith(f"onset: {named}")
    for value in (changes.get("DATABASE_URL"), changes.get("REDIS_URL")):
        assert value is None or value not in sentence


def test_the_command_line_says_the_same() -> None:
    result = run("manage.py", "check", SECRET_KEY=None)
    assert result.returncode == 1
    [sentence] = result.stderr.splitlines()
    assert sentence.startswith("onset: SECRET_KEY is missing.")


def test_django_finds_nothing_to_improve_for_deployment() -> None:
    result = run("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert result.returncode == 0, result.stderr


def test_nothing_of_the_demo_is_in_production() -> None:
    script = (
        "import django; django.setup()\n"
        "from django.conf import settings as s\n"
        "from django.urls import resolve, Resolver404\n"
        "assert s.CLOCK == 'clinic.common.clock.wall', s.CLOCK\n"
        "assert 'clinic.embedded' not in s.INSTALLED_APPS\n"
        "assert not hasattr(s, 'ONSET_DATA')\n"
        "assert s.DEBUG is False\n"
        "try:\n"
        "    resolve('/demo/mailbox/')\n"
        "except Resolver404:\n"
        "    print('no mailbox')\n"
    )
    result = run("-W", "error", "-c", script)
    assert (result.returncode, result.stdout) == (0, "no mailbox\n"), result.stderr


@pytest.mark.parametrize(
    ("url", "verified"), [("rediss://127.0.0.1:9/0", True), ("redis://127.0.0.1:9/0", False)]
)
def test_celery_asks_redis_for_its_certificate(url: str, verified: bool) -> None:
    script = (
        "from clinic.celery import app\n"
        "connection = app.connection_for_write()\n"
        "print((connection.ssl or {}).get('ssl_cert_reqs'))\n"
    )
    result = run("-c", script, REDIS_URL=url)
    assert result.stdout.strip() == ("2" if verified else "None"), result.stderr

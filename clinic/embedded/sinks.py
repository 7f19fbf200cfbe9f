"""`python -m clinic.embedded.sinks`: where the demo's e-mails and SMS end up. One process with an
SMTP server and a server that speaks Twilio's REST, both on 127.0.0.1, both writing to
$ONSET_DATA/mailbox."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from aiosmtpd.smtp import SMTP

from clinic.common import clock
from clinic.embedded.errors import EmbeddedError
from clinic.embedded.sms_hooks import Account, Hooks
from clinic.embedded.sms_sink import SmsServer
from clinic.embedded.smtp_sink import Handler

_HIGHEST_PORT = 65_535


def main() -> int:
    """Serve until SIGTERM or SIGINT. Reads ONSET_DATA, SMTP_PORT, SMS_PORT, TWILIO_ACCOUNT_SID,
    TWILIO_AUTH_TOKEN, SMS_PER_SECOND (0 or unset: no limit), PUBLIC_URL (the clinic that is told about
    its messages; unset: none) and SMS_ANSWERS_STOP (1: like Twilio's own opt-out handling)."""
    try:
        asyncio.run(_serve())
    except EmbeddedError as error:
        print(f"onset: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


async def _serve() -> None:
    data = Path(_setting("ONSET_DATA"))
    now = partial(_clinic_time, data / "clock")
    handler = Handler(data / "mailbox", now=now)
    loop = asyncio.get_running_loop()
    smtp_port, sms_port = _port("SMTP_PORT"), _port("SMS_PORT")
    account = Account(sid=_setting("TWILIO_ACCOUNT_SID"), token=_setting("TWILIO_AUTH_TOKEN"))
    limit = _limit()
    port = smtp_port
    try:
        smtp = await loop.create_server(
            partial(SMTP, handler, enable_SMTPUTF8=True, hostname="localhost", ident="Onset demo"),
            "127.0.0.1",
            smtp_port,
        )
        port = sms_port
        hooks = _hooks(account, data / "mailbox", now)
        sms = SmsServer(
            sms_port, account=account, mailbox=data / "mailbox", now=now, per_second=limit, hooks=hooks
        )
    except OSError as error:
        raise EmbeddedError(f"The mail sink cannot listen on 127.0.0.1:{port}: {error.strerror}.") from error
    threading.Thread(target=sms.serve_forever, name="sms", daemon=True).start()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    await stop.wait()
    smtp.close()
    sms.shutdown()
    sms.server_close()


def _hooks(account: Account, mailbox: Path, now: Callable[[], datetime]) -> Hooks | None:
    web = os.environ.get("PUBLIC_URL")
    if not web:
        return None
    answers_stop = os.environ.get("SMS_ANSWERS_STOP") == "1"
    return Hooks(account=account, web=web, mailbox=mailbox, now=now, answers_stop=answers_stop)


def _clinic_time(path: Path) -> datetime:
    return clock.wall() + clock.read_offset(path)


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise EmbeddedError(f"{name} is missing: the mail sink is started by `make demo`, which sets it.")
    return value


def _port(name: str) -> int:
    value = _setting(name)
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= _HIGHEST_PORT:
        raise EmbeddedError(f"{name} is {value!r}, but must be a port from 1 to {_HIGHEST_PORT}.")
    return int(value)


def _limit() -> int:
    value = os.environ.get("SMS_PER_SECOND") or "0"
    if not value.isascii() or not value.isdigit():
        raise EmbeddedError(f"SMS_PER_SECOND is {value!r}, but must be a whole number (0: no limit).")
    return int(value)


if __name__ == "__main__":
    sys.exit(main())

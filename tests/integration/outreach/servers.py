"""The demo's own SMTP and SMS sinks, run in this process on free ports, so that tests can make them
refuse, hang up or die and come back. What they accept is read from the mailbox."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from clinic.embedded.mailbox import Delivery, read
from clinic.embedded.sms_hooks import Account, Hooks
from clinic.embedded.sms_sink import SmsServer
from clinic.embedded.smtp_sink import Handler

RECEIVED_AT = datetime(2027, 1, 4, 17, 0, tzinfo=UTC)
SID, TOKEN = "AC" + "0" * 32, "test"
WAIT = 10
SmtpHook = Callable[["SmtpSink", SMTP, Envelope], str | None]


class SmtpSink:
    """An SMTP server on 127.0.0.1. ``on_rcpt`` and ``on_data`` may answer in its place, or hang up."""

    def __init__(self, mailbox: Path) -> None:
        self.mailbox = mailbox
        self.connections = 0
        self.now: Callable[[], datetime] = lambda: RECEIVED_AT
        self.on_rcpt: Callable[[str], str | None] = lambda _address: None
        self.on_data: SmtpHook = lambda _sink, _server, _envelope: None
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._open: set[Any] = set()
        self._server: asyncio.Server | None = None
        self.start()

    def start(self) -> None:
        """Listen: on a free port the first time, on the same one afterwards."""

        async def listen() -> asyncio.Server:
            return await self._loop.create_server(
                partial(_Counted, self, _Scripted(self), enable_SMTPUTF8=True, hostname="localhost"),
                "127.0.0.1",
                self.port,
            )

        self._server = asyncio.run_coroutine_threadsafe(listen(), self._loop).result(WAIT)
        self.port = self._server.sockets[0].getsockname()[1]

    def die(self) -> None:
        """Stop listening and cut every connection. Call it from a hook, inside the server's loop."""
        if self._server is not None:
            self._server.close()
        for transport in list(self._open):
            transport.abort()

    def kill(self) -> None:
        """The same from outside; returns when nobody listens any more."""

        async def now() -> None:
            self.die()

        asyncio.run_coroutine_threadsafe(now(), self._loop).result(WAIT)

    def close(self) -> None:
        """End for good."""
        self.kill()

        async def settle() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(settle(), self._loop).result(WAIT)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT)
        self._loop.close()

    def received(self) -> list[Delivery]:
        """What was accepted, in order."""
        return read(self.mailbox)


class _Counted(SMTP):
    def __init__(self, sink: SmtpSink, *arguments: Any, **named: Any) -> None:
        self._sink = sink
        super().__init__(*arguments, **named)

    def connection_made(self, transport: Any) -> None:
        self._sink.connections += 1
        self._sink._open.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._sink._open.discard(self.transport)
        super().connection_lost(error)


class _Scripted(Handler):
    def __init__(self, sink: SmtpSink) -> None:
        super().__init__(sink.mailbox, now=lambda: sink.now())  # noqa: PLW0108 - set later
        self._sink = sink

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self._sink.on_rcpt(address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self._sink.on_data(self._sink, server, envelope)
        return answer or await super().handle_DATA(server, session, envelope)


class SmsSink(SmsServer):
    """The SMS sink; ``before`` runs before a message is accepted, ``after`` when it is in the mailbox.

    With ``web`` it reports to that address, and lets patients write to it.
    """

    def __init__(self, mailbox: Path, *, web: str = "", answers_stop: bool = False) -> None:
        self.now: Callable[[], datetime] = lambda: RECEIVED_AT
        account = Account(sid=SID, token=TOKEN)
        hooks = Hooks(account=account, web=web, mailbox=mailbox, now=self._present, answers_stop=answers_stop)
        super().__init__(
            0,
            account=account,
            mailbox=mailbox,
            now=self._present,
            hooks=hooks if web else None,
        )
        self.mailbox = mailbox
        self.requests = 0
        self.before: Callable[[Mapping[str, str]], None] = lambda _form: None
        self.after: Callable[[Mapping[str, str]], None] = lambda _form: None
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def _present(self) -> datetime:
        return self.now()

    def accept(self, form: Mapping[str, str]) -> dict[str, object]:
        """The real sink between the two hooks."""
        self.requests += 1
        self.before(form)
        answer = super().accept(form)
        self.after(form)
        return answer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A hook that raises hangs up without an answer; nothing to print."""

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()
        self._thread.join(WAIT)

    def received(self) -> list[Delivery]:
        """What was accepted, in order."""
        return read(self.mailbox)

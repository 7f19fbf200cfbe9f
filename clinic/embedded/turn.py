"""`make clock`: turn the running demo's time. TO=<instant with offset>, BY=<7d, 36h, 90m> or RESET=1."""

import os
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path

from clinic.embedded import runtime
from clinic.embedded.errors import EmbeddedError

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes"}
_BY = re.compile(r"(\d{1,5})([wdhm])")


def main() -> int:
    """Read the wish from the environment and carry it out on the demo of this DATA."""
    try:
        wish = _wish(os.environ)
        running = runtime.read(Path(os.environ.get("DATA") or "var/demo"))
    except EmbeddedError as error:
        print(f"onset: {error}", file=sys.stderr)
        return 2
    os.environ.update(running.environment)

    import django  # noqa: PLC0415 - only now is the demo's environment known

    django.setup()
    from clinic.common import clock as clinic_clock  # noqa: PLC0415
    from clinic.common.errors import DomainError  # noqa: PLC0415
    from clinic.embedded import clock  # noqa: PLC0415

    def say(moment: datetime, done: object) -> None:
        if done:
            print(f"{moment.astimezone():%a %Y-%m-%d %H:%M %Z}  {', '.join(map(str, done))}", flush=True)  # type: ignore[call-overload]

    try:
        if wish is None:
            turned = clock.reset()
        else:
            target = clinic_clock.now() + wish if isinstance(wish, timedelta) else wish
            turned = clock.turn_to(target, on_stop=say)
    except DomainError as error:
        print(f"onset: {error.detail}", file=sys.stderr)
        return 1
    print(f"The clinic's time is {turned.now.isoformat(timespec='seconds')}.")
    return 0


def _wish(environment: "os._Environ[str]") -> datetime | timedelta | None:
    """An instant, a distance, or None for the machine's own time. Raises EmbeddedError."""
    to, by, reset = (environment.get(name, "").strip() for name in ("TO", "BY", "RESET"))
    if sum(map(bool, (to, by, reset))) != 1:
        raise EmbeddedError(
            "Say where to turn the clock: TO=2027-01-11T09:00-07:00, or BY=7d (w, d, h, m), or RESET=1."
        )
    if to:
        try:
            instant = datetime.fromisoformat(to)
        except ValueError:
            raise EmbeddedError(f"TO={to} is no date and time such as 2027-01-11T09:00-07:00.") from None
        if instant.tzinfo is None:
            raise EmbeddedError(f"TO={to} lacks its offset from UTC, such as -07:00 or Z.")
        return instant
    if by:
        match = _BY.fullmatch(by)
        if match is None:
            raise EmbeddedError(f"BY={by} is no distance such as 7d, 36h or 90m.")
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    return None


if __name__ == "__main__":
    sys.exit(main())

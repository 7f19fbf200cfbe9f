"""What a visitor is shown once the demo is up: where to look and as whom to sign in."""

from __future__ import annotations

from pathlib import Path

PASSWORD = "onset-demo"  # noqa: S105 - printed for everyone to see; the demo listens on loopback only
_LOGINS = {
    "front_desk": "books and moves appointments, calls patients",
    "nurse": "runs the infusion day",
    "prescriber": "prescribes, plans follow-up",
    "manager": "sites, chairs, staff, opening hours",
    "auditor": "reads who saw and changed what",
    "admin": "superuser",
}


def table(address: str, *, data: Path) -> str:
    """Addresses and logins, one per line. `address` has no slash at the end."""
    places = {
        "Admin": f"{address}/admin/",
        "API": f"{address}/api/v1/",
        "API docs": f"{address}/api/v1/docs/",
        "Mailbox": f"{address}/demo/mailbox/",
        "Data, logs": str(data),
    }
    logins = [(name, PASSWORD, what) for name, what in _LOGINS.items()]
    left = max(len(name) for name in (*places, *_LOGINS))
    middle = len(PASSWORD)
    lines = [f"{name:<{left}}  {place}" for name, place in places.items()]
    lines += ["", f"{'Login':<{left}}  {'Password':<{middle}}  Who"]
    lines += [f"{name:<{left}}  {password:<{middle}}  {what}" for name, password, what in logins]
    rule = "-" * max(len(line) for line in lines)
    return "\n".join(["", rule, *lines, rule])

"""Is a base backup whole? Every file is held against the manifest that PostgreSQL wrote with it, and its WAL
is read by pg_waldump: what pg_verifybackup does, of which the embedded package brings a broken build."""

import hashlib
import json
from pathlib import Path
from typing import Any

from clinic.operations import programs
from clinic.operations.errors import Refused

MANIFEST = "backup_manifest"
_WAL = "pg_wal"
_SEAL = b'"Manifest-Checksum"'


def verify(backup: Path, *, major: int) -> None:
    """Raises Refused when a file is missing, differs or does not belong there."""
    manifest = _manifest(backup / MANIFEST)
    listed = {_path_of(entry): entry for entry in manifest["Files"]}
    found = {
        name
        for path in backup.rglob("*")
        if not path.is_dir() and not (name := path.relative_to(backup).as_posix()).startswith(f"{_WAL}/")
    } - {MANIFEST}
    if found != set(listed):
        missing, strange = sorted(set(listed) - found), sorted(found - set(listed))
        what = f"{missing[0]} is missing" if missing else f"{strange[0]} does not belong to it"
        raise Refused(f"The backup {backup.name} is not whole: {what}. Use another one.")
    for name, entry in listed.items():
        if _digest(backup / name) != entry["Checksum"]:
            raise Refused(f"The backup {backup.name} is damaged: {name} has changed. Use another one.")
    waldump = programs.find("pg_waldump", major=major)
    for part in manifest["WAL-Ranges"]:
        bounds = (
            f"--timeline={part['Timeline']}",
            f"--start={part['Start-LSN']}",
            f"--end={part['End-LSN']}",
        )
        programs.run(waldump, "--quiet", f"--path={backup / _WAL}", *bounds)


def _manifest(path: Path) -> dict[str, Any]:
    """The manifest, once its own checksum is right."""
    try:
        text = path.read_bytes()
        manifest: dict[str, Any] = json.loads(text)
    except (OSError, ValueError):
        raise Refused(f"{path} cannot be read, so nobody knows whether this backup is whole.") from None
    if hashlib.sha256(text.rpartition(_SEAL)[0]).hexdigest() != manifest.get("Manifest-Checksum"):
        raise Refused(f"{path} has changed, so nobody knows whether this backup is whole.")
    return manifest


def _path_of(entry: dict[str, Any]) -> str:
    return str(entry["Path"]) if "Path" in entry else bytes.fromhex(entry["Encoded-Path"]).decode()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""As whom PostgreSQL runs. It refuses to be root, so root runs it in a user namespace, or as
`nobody`; everyone else runs it as they are. What each way costs (a copy of the programs, another
place for the data) is decided here."""

from __future__ import annotations

import enum
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clinic.embedded.binaries import PostgresInstall
from clinic.embedded.errors import EmbeddedError

_PROBE_SECONDS = 20
_USUAL_UID = 1000
# It survives a reboot, and nobody can reach it; the owner of every entry is checked.
_PUBLIC = Path("/var/tmp")  # noqa: S108
_COMPLETE = ".complete"


class Mode(enum.StrEnum):
    """PLAIN: as we are. USERNS: as root, who looks like a common user from inside. NOBODY: as the
    user nobody."""

    PLAIN = "plain"
    USERNS = "userns"
    NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """A real user and group for a child process."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Privileges:
    """How to run a PostgreSQL program: put `prefix` before its arguments and start it with
    `credentials` (None: ours)."""

    mode: Mode
    install: PostgresInstall
    prefix: tuple[str, ...] = ()
    credentials: Credentials | None = None

    @property
    def owner(self) -> int:
        """The user id that must own the cluster's files."""
        return os.geteuid() if self.credentials is None else self.credentials.uid

    def argv(self, program: str, *arguments: str) -> list[str]:
        """The full command line of a PostgreSQL program."""
        return [*self.prefix, str(self.install.program(program)), *arguments]

    def run(
        self, argv: Sequence[str], *, stdin: str = "", seconds: float = 120.0, cwd: str = "/"
    ) -> subprocess.CompletedProcess[str]:
        """Run a short command with these privileges and return what it said; a missing program or a
        hang is code 127."""
        try:
            return subprocess.run(
                argv,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
                cwd=cwd,
                user=self.credentials.uid if self.credentials else None,
                group=self.credentials.gid if self.credentials else None,
                extra_groups=[] if self.credentials else None,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return subprocess.CompletedProcess(list(argv), 127, "", str(error))

    def can_use(self, directory: Path) -> bool:
        """Whether this user gets into `directory` and may write there."""
        return self.run(["/bin/sh", "-c", 'cd -- "$1" && test -w .', "sh", str(directory)]).returncode == 0


def choose(install: PostgresInstall) -> Privileges:
    """The best way to run PostgreSQL here; ONSET_PG_MODE=plain|userns|nobody forces one. Raises
    EmbeddedError."""
    forced = os.environ.get("ONSET_PG_MODE", "")
    if forced and forced not in set(Mode):
        raise EmbeddedError(f"ONSET_PG_MODE={forced} is not one of {', '.join(Mode)}.")
    if forced:
        modes = [Mode(forced)]
    elif os.geteuid() == 0:
        modes = [Mode.USERNS, Mode.NOBODY]
    elif _has_name(os.geteuid()):
        modes = [Mode.PLAIN]
    else:
        # initdb wants a name for its user, which containers started with an arbitrary uid do not have.
        modes = [Mode.USERNS]
    said = ""
    for mode in modes:
        privileges = _ways()[mode](install)
        if privileges is not None:
            probe = privileges.run(privileges.argv("postgres", "--version"), seconds=_PROBE_SECONDS)
            if probe.returncode == 0:
                return privileges
            said = (probe.stderr.strip().splitlines() or [""])[-1]
    raise EmbeddedError(
        f"PostgreSQL cannot be run here as {' or '.join(modes)}{f' ({said})' if said else ''}: "
        "start this as an ordinary user, allow user namespaces (util-linux `unshare`), "
        "or set DATABASE_URL to a PostgreSQL 18 of your own."
    )


def _ways() -> dict[Mode, Callable[[PostgresInstall], Privileges | None]]:
    return {Mode.PLAIN: _plain, Mode.USERNS: _user_namespace, Mode.NOBODY: _nobody}


def _plain(install: PostgresInstall) -> Privileges | None:
    return None if os.geteuid() == 0 else Privileges(mode=Mode.PLAIN, install=install)


def _user_namespace(install: PostgresInstall) -> Privileges | None:
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    uid = next((entry.pw_uid for entry in _preferred_users() if entry.pw_uid != 0), _USUAL_UID)
    prefix = (unshare, "--user", f"--map-user={uid}", f"--map-group={uid}", "--")
    return Privileges(mode=Mode.USERNS, install=install, prefix=prefix)


def _nobody(install: PostgresInstall) -> Privileges | None:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return None
    credentials = Credentials(uid=entry.pw_uid, gid=entry.pw_gid)
    direct = Privileges(mode=Mode.NOBODY, install=install, credentials=credentials)
    if direct.run(direct.argv("postgres", "--version"), seconds=_PROBE_SECONDS).returncode == 0:
        return direct
    return Privileges(mode=Mode.NOBODY, install=_public_copy(install), credentials=credentials)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _preferred_users() -> list[pwd.struct_passwd]:
    """Users of this machine, uid 1000 first: inside the namespace any will do that has a name."""
    return sorted(pwd.getpwall(), key=lambda entry: entry.pw_uid != _USUAL_UID)


def _public_copy(install: PostgresInstall) -> PostgresInstall:
    """The installation copied to where nobody can read it; made once per version, complete or not at all."""
    copied = PostgresInstall(
        root=_PUBLIC / f"onset-postgres-{install.version}-{os.geteuid()}",
        version=install.version,
        parts=install.parts,
    )
    if (copied.root / _COMPLETE).exists():
        check_ours(copied.root)
        return copied
    making = Path(tempfile.mkdtemp(prefix=f"{copied.root.name}-", dir=_PUBLIC))
    try:
        for part in install.parts:
            shutil.copytree(install.root / part, making / part, symlinks=True)
        _let_everyone_read(making)
        (making / _COMPLETE).touch()
        making.rename(copied.root)
    except OSError as error:
        shutil.rmtree(making, ignore_errors=True)
        if not (copied.root / _COMPLETE).exists():  # else another start was faster
            raise EmbeddedError(
                f"PostgreSQL could not be copied to {copied.root} ({error.strerror}): make room there, "
                "or set DATABASE_URL to a PostgreSQL 18 of your own."
            ) from error
    check_ours(copied.root)
    return copied


def _let_everyone_read(root: Path) -> None:
    """Open a tree that we have just made ourselves, whatever our umask was."""
    for directory, _, files in os.walk(root):
        Path(directory).chmod(0o755)
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                executable = path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if executable else 0o644)


def check_ours(directory: Path) -> None:
    """Refuse a directory in a public place that somebody else made, or that others may write to."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise EmbeddedError(f"{directory} was not made by us, so it is not used: remove it and start again.")


def place_for(data: Path, privileges: Privileges) -> Path:
    """The directory that holds PostgreSQL's files for this data directory: `data` itself, or, when
    nobody cannot get in there, a stable one in /var/tmp. Never changes the permissions of a
    directory that was there before."""
    if privileges.credentials is None:
        return data
    probe = Path(tempfile.mkdtemp(prefix="reach-", dir=data))
    try:
        os.chown(probe, privileges.credentials.uid, privileges.credentials.gid)
        if privileges.can_use(probe):
            return data
    finally:
        probe.rmdir()
    outside = outside_place(data)
    outside.mkdir(mode=0o755, exist_ok=True)
    check_ours(outside)
    outside.chmod(0o755)
    return outside


def outside_place(data: Path) -> Path:
    """Where the cluster of `data` is kept when nobody cannot reach it there (whether or not it exists)."""
    digest = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:16]
    return _PUBLIC / f"onset-data-{digest}"


def give(path: Path, privileges: Privileges) -> None:
    """Hand a tree of ours to the user PostgreSQL runs as, when it belongs to another (the mode
    changed between starts)."""
    if os.geteuid() != 0 or path.lstat().st_uid == privileges.owner:
        return
    group = privileges.credentials.gid if privileges.credentials else os.getegid()
    for directory, directories, files in os.walk(path):
        for name in (*directories, *files):
            os.chown(Path(directory, name), privileges.owner, group, follow_symlinks=False)
    os.chown(path, privileges.owner, group)

"""Where PostgreSQL is, as whom it runs, and that its address survives every URL parser."""

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import dj_database_url
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from clinic.embedded import binaries, postgres, privileges
from clinic.embedded.binaries import PostgresInstall, postgres_install, redis_server
from clinic.embedded.errors import EmbeddedError
from clinic.embedded.postgres import Postgres
from clinic.embedded.privileges import Mode, Privileges

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def test_the_wheels_hold_postgresql_18_and_a_redis() -> None:
    said = subprocess.run(
        [postgres_install().program("postgres"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith("postgres (PostgreSQL) 18.")
    said = subprocess.run([redis_server(), "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("Redis server v=")


@pytest.mark.parametrize(
    ("find", "variable"), [(postgres_install, "DATABASE_URL"), (redis_server, "REDIS_URL")]
)
def test_a_missing_wheel_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, find: Callable[[], object], variable: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EmbeddedError, match=rf"is not installed: run `make install`, or set {variable} to"):
        find()


def test_a_wheel_without_postgresql_18_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(binaries, "_package_directory", lambda package, **_: tmp_path / package)
    with pytest.raises(EmbeddedError, match="is missing or cannot be run"):
        postgres_install()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1))
def test_every_socket_directory_survives_the_url(name: str) -> None:
    directory = Path("/somewhere", "Über", name)
    install = PostgresInstall(root=Path("/"), version="1", parts=())
    url = Postgres(
        cluster=directory / "postgres",
        sockets=directory,
        rights=Privileges(mode=Mode.PLAIN, install=install),
        env={},
        fast=False,
    ).url
    assert dj_database_url.parse(url)["HOST"] == str(directory)
    assert conninfo_to_dict(url)["host"] == str(directory)
    assert dj_database_url.parse(url)["NAME"] == conninfo_to_dict(url)["dbname"] == "onset"


def test_an_unknown_mode_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONSET_PG_MODE", "magic")
    with pytest.raises(EmbeddedError, match="ONSET_PG_MODE=magic is not one of plain, userns, nobody"):
        privileges.choose(postgres_install())


def test_when_nothing_works_the_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONSET_PG_MODE", "userns")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(
        EmbeddedError, match=r"as userns: start this as an ordinary user, .* or set DATABASE_URL"
    ):
        privileges.choose(postgres_install())


@as_root
def test_root_prefers_a_user_namespace_and_falls_back_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONSET_PG_MODE", raising=False)
    assert privileges.choose(postgres_install()).mode is Mode.USERNS
    # As where namespaces are forbidden: unshare runs, and fails.
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/false")
    chosen = privileges.choose(postgres_install())
    assert chosen.mode is Mode.NOBODY
    assert chosen.owner == pwd.getpwnam("nobody").pw_uid


@as_root
def test_in_the_namespace_the_user_has_a_name_because_initdb_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_1000 = [entry for entry in pwd.getpwall() if entry.pw_uid != 1000]
    monkeypatch.setattr(pwd, "getpwall", lambda: without_1000)
    monkeypatch.setenv("ONSET_PG_MODE", "userns")
    chosen = privileges.choose(postgres_install())
    said = chosen.run([*chosen.prefix, "id", "-un"])
    assert said.stdout.strip() in {entry.pw_name for entry in without_1000} - {"root"}


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place that everyone can reach, instead of /var/tmp itself."""
    place = Path("/var/tmp", f"onset-test-{os.getpid()}")  # noqa: S108
    place.mkdir(mode=0o755)
    monkeypatch.setattr(privileges, "_PUBLIC", place)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def hidden_install(tmp_path: Path) -> PostgresInstall:
    """The real PostgreSQL, where only root gets at it."""
    real = postgres_install()
    tmp_path.chmod(0o700)
    for part in real.parts:
        shutil.copytree(real.root / part, tmp_path / "site" / part, symlinks=True, copy_function=os.link)
    return PostgresInstall(root=tmp_path / "site", version=real.version, parts=real.parts)


@as_root
def test_programs_that_nobody_cannot_reach_are_copied_once(
    monkeypatch: pytest.MonkeyPatch, public: Path, hidden_install: PostgresInstall, tmp_path: Path
) -> None:
    monkeypatch.setenv("ONSET_PG_MODE", "nobody")
    chosen = privileges.choose(hidden_install)
    (copy,) = public.iterdir()
    assert chosen.install.root == copy
    assert chosen.run(chosen.argv("initdb", "--version")).stdout.startswith("initdb (PostgreSQL) 18.")
    first = copy.stat().st_mtime_ns
    assert privileges.choose(hidden_install).install.root == copy
    assert list(public.iterdir()) == [copy]
    assert copy.stat().st_mtime_ns == first
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@as_root
def test_a_copy_that_somebody_else_made_is_refused(
    monkeypatch: pytest.MonkeyPatch, public: Path, hidden_install: PostgresInstall
) -> None:
    monkeypatch.setenv("ONSET_PG_MODE", "nobody")
    planted = public / f"onset-postgres-{hidden_install.version}-{os.geteuid()}"
    planted.mkdir()
    (planted / ".complete").touch()
    os.chown(planted, 65534, 65534)
    with pytest.raises(EmbeddedError, match="was not made by us, so it is not used: remove it"):
        privileges.choose(hidden_install)


@as_root
def test_data_stays_where_it_is_when_nobody_can_reach_it(public: Path, tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    rights = Privileges(
        mode=Mode.NOBODY,
        install=postgres_install(),
        credentials=privileges.Credentials(uid=nobody.pw_uid, gid=nobody.pw_gid),
    )
    reachable = public / "data"
    reachable.mkdir(mode=0o755)
    assert privileges.place_for(reachable, rights) == reachable
    assert list(reachable.iterdir()) == []
    tmp_path.chmod(0o700)
    outside = privileges.place_for(tmp_path, rights)
    assert outside == privileges.outside_place(tmp_path)
    assert outside.parent == public
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_cluster_of_another_version_is_named(tmp_path: Path) -> None:
    cluster = tmp_path / "postgres"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("16\n")
    located = postgres.locate(tmp_path, env={})
    with pytest.raises(EmbeddedError, match=r"was made by PostgreSQL 16, this is 18: .*RESET=1"):
        located.steps(run=print)


def test_a_directory_of_other_things_is_not_taken_for_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "letter.txt").touch()
    located = postgres.locate(tmp_path, env={})
    with pytest.raises(EmbeddedError, match="is not a PostgreSQL cluster"):
        located.steps(run=print)

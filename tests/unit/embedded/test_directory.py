"""A data directory is one demo's alone, and RESET removes nothing that the demo did not make."""

import os
from pathlib import Path

import pytest

from clinic.embedded import runtime
from clinic.embedded.directory import claim, is_claimed
from clinic.embedded.errors import EmbeddedError
from clinic.embedded.runtime import Runtime


def test_a_directory_is_made_and_claimed_once(tmp_path: Path) -> None:
    data = tmp_path / "var" / "demo"
    assert not is_claimed(data)
    with claim(data, reset=False) as claimed:
        assert claimed == data
        assert is_claimed(data)
        with (
            pytest.raises(EmbeddedError, match=rf"in use by another demo \(process {os.getpid()}\)"),
            claim(data, reset=False),
        ):
            pytest.fail("claimed twice")
    assert not is_claimed(data)
    with claim(data, reset=False):
        assert is_claimed(data)


def test_reset_empties_what_was_ours(tmp_path: Path) -> None:
    with claim(tmp_path / "demo", reset=False) as data:
        (data / "postgres").mkdir()
        (data / "postgres" / "PG_VERSION").write_text("18")
        (data / "clock").write_text("{}")
    with claim(data, reset=False):
        assert (data / "clock").exists()
    with claim(data, reset=True):
        assert {entry.name for entry in data.iterdir()} == {".onset-data", "lock"}


def test_reset_follows_no_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "letter.txt").touch()
    with claim(tmp_path / "demo", reset=False) as data:
        (data / "mailbox").symlink_to(elsewhere)
    with claim(data, reset=True):
        assert not (data / "mailbox").exists()
    assert (elsewhere / "letter.txt").exists()


@pytest.mark.parametrize("reset", [False, True])
def test_a_directory_with_somebodys_files_is_left_alone(tmp_path: Path, *, reset: bool) -> None:
    (tmp_path / "letter.txt").touch()
    with (
        pytest.raises(EmbeddedError, match="holds files that were not made by `make demo`"),
        claim(tmp_path, reset=reset),
    ):
        pytest.fail("claimed what is not ours")
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter.txt"]


def test_a_running_demo_cannot_be_reset(tmp_path: Path) -> None:
    with claim(tmp_path / "demo", reset=False) as data:
        (data / "clock").touch()
        with pytest.raises(EmbeddedError, match="in use by another demo"), claim(data, reset=True):
            pytest.fail("claimed twice")
        assert (data / "clock").exists()


def test_a_path_that_is_no_directory_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "demo").touch()
    with (
        pytest.raises(EmbeddedError, match=r"DATA=.*demo cannot be used: File exists"),
        claim(tmp_path / "demo", reset=False),
    ):
        pytest.fail("claimed a file")


def test_the_record_of_a_demo_is_read_while_it_runs(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"No demo is running on DATA=.*: start it with `make demo`"):
        runtime.read(tmp_path)
    record = Runtime(
        pid=1,
        port=8000,
        public_url="http://127.0.0.1:8000",
        database_url="postgresql://onset@%2Fsomewhere/onset",
        redis_url="redis://:secret@127.0.0.1:1/0",
        ready=True,
        children={"web": 7},
        environment={"SECRET_KEY": "x"},
    )
    with claim(tmp_path / "demo", reset=False) as data:
        with pytest.raises(EmbeddedError, match="is still starting"):
            runtime.read(data)
        runtime.write(data, record)
        assert runtime.read(data) == record
        assert (data / "runtime.json").stat().st_mode & 0o777 == 0o600
        runtime.forget(data)
        with pytest.raises(EmbeddedError, match="is still starting"):
            runtime.read(data)
    assert "secret" not in repr(record)

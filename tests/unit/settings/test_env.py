"""The readers of environment variables: what they accept, and the one sentence they refuse with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clinic.settings import env

NAME = "ONSET_TEST_VARIABLE"


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Set or unset the variable under test."""

    def give(value: str | None) -> None:
        monkeypatch.delenv(NAME, raising=False)
        monkeypatch.delenv(f"{NAME}_FILE", raising=False)
        if value is not None:
            monkeypatch.setenv(NAME, value)

    return give


def refusal(read: Callable[[], object]) -> str:
    """The sentence of a refusal, checked to be one line that names the variable."""
    with pytest.raises(SystemExit) as stopped:
        read()
    sentence = str(stopped.value.code)
    assert sentence.startswith(f"onset: {NAME}")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (lambda: env.text(NAME), "word", "word"),
        (lambda: env.text(NAME, "default"), "", "default"),
        (lambda: env.number(NAME, 7, high=9), "", 7),
        (lambda: env.number(NAME, 7, high=9), "9", 9),
        (lambda: env.number(NAME, 7), "007", 7),
        (lambda: env.flag(NAME, default=True), "", True),
        (lambda: env.flag(NAME, default=False), "", False),
        (lambda: env.flag(NAME, default=True), "0", False),
        (lambda: env.flag(NAME, default=False), "Yes", True),
        (lambda: env.names(NAME), " a.example , b.example,", ["a.example", "b.example"]),
        (lambda: env.choice(NAME, ("on", "off"), "off"), "", "off"),
        (lambda: env.choice(NAME, ("on", "off"), "off"), "on", "on"),
        (lambda: env.rate(NAME, "3000/min"), "", "3000/min"),
        (lambda: env.rate(NAME, "3000/min"), "5/s", "5/s"),
        (
            lambda: env.address(NAME, "a@b.example"),
            "Front desk <desk@b.example>",
            "Front desk <desk@b.example>",
        ),
        (lambda: env.url(NAME, ("redis", "unix")), "unix:///run/redis.sock", "unix:///run/redis.sock"),
        (lambda: env.url(NAME, ("redis",)), "redis://:p@[::1]:6379/0", "redis://:p@[::1]:6379/0"),
        (lambda: env.site(NAME, ("https",)), "https://onset.example.org/", "https://onset.example.org"),
        (lambda: env.site(NAME, ("http",)), "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ],
)
def test_accepts(given: Any, read: Callable[[], object], value: str, expected: object) -> None:
    given(value)
    assert read() == expected


@pytest.mark.parametrize(
    ("read", "values"),
    [
        (lambda: env.text(NAME), [None, ""]),
        (lambda: env.number(NAME, 7, low=1, high=9), ["0", "10", "-1", "1.5", "1e3", "٣", " 1", "9" * 5000]),
        (lambda: env.flag(NAME, default=True), ["maybe", "2", " "]),
        (lambda: env.names(NAME), [None, "", ",", " , "]),
        (lambda: env.choice(NAME, ("on", "off"), "off"), ["On", "maybe"]),
        (lambda: env.rate(NAME, "1/s"), ["0/min", "3000", "3000/fortnight", "/min", "many/min", "-1/s"]),
        (lambda: env.address(NAME, "a@b"), ["nobody", "a@", "@b", "a@b\nBcc: c@d", "two words@b"]),
        (
            lambda: env.url(NAME, ("redis",)),
            [
                None,
                "redis",
                "redis:/x",
                "http://x",
                "://x",
                "redis://h:port/",
                "redis://h:99999/",
                "redis://[::1/",
            ],
        ),
        (
            lambda: env.site(NAME, ("https",)),
            [
                None,
                "https://",
                "http://x.example",
                "https://x.example/path",
                "https://x.example?q",
                "https://u@x.example",
            ],
        ),
    ],
)
def test_refuses(given: Any, read: Callable[[], object], values: list[str | None]) -> None:
    for value in values:
        given(value)
        assert refusal(read)


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        "user:hunter2@host/db",
        "postgres:hunter2",
        "postgresql://u:hunter2@h:port/db",
        "hunter2://x y",
    ],
)
def test_a_refused_url_is_not_repeated(given: Any, value: str) -> None:
    given(value)
    said = refusal(lambda: env.url(NAME, ("postgresql",)))
    assert "hunter2" not in said or value.startswith("hunter2://")


def test_a_secret_may_be_in_a_file(given: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(None)
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
    assert env.text(NAME) == "s3cret"


def test_the_variable_wins_over_the_file(given: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given("direct")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "missing"))
    assert env.text(NAME) == "direct"


def test_a_file_that_cannot_be_read_is_named(
    given: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given(None)
    for path in (tmp_path / "missing", tmp_path):
        monkeypatch.setenv(f"{NAME}_FILE", str(path))
        assert str(path) in refusal(lambda: env.text(NAME))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "bytes"))
    assert "UTF-8" in refusal(lambda: env.text(NAME))

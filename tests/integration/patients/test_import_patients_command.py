"""``manage.py import_patients`` as its user meets it: what it prints, its report, its exit codes."""

import contextlib
import csv
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from io import FileIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from clinic.access.models import Site
from patients.models import Patient, PatientCondition
from tests.factories import SiteFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

HEADER = "mrn,first_name,last_name,date_of_birth,phone\n"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(site: Site) -> Run:
    """Run the command at the site: exit code, what it says, what it complains about."""

    def call(*arguments: object, at: object = None) -> tuple[int, str, str]:
        out, err = StringIO(), StringIO()
        where = [] if at == "" else ["--site", str(at or site.pk)]
        try:
            call_command("import_patients", *map(str, arguments), *where, stdout=out, stderr=err)
        except CommandError as error:
            return error.returncode, out.getvalue(), f"{err.getvalue()}{error}"
        return 0, out.getvalue(), err.getvalue()

    return call


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """A CSV file with this content."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "patients.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_a_good_file_is_loaded_and_then_already_there(
    run: Run, file: Callable[..., Path], site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(HEADER + "A1,Ana,Reyes,1980-05-17,(303) 555-0123\n,Bo,Li,1981-01-01,\n")
    assert run(path) == (0, f"{site.name}: 2 patients loaded, 0 already there, 0 rows refused.\n", "")
    assert capsys.readouterr().err == ""  # no progress bar unless on a terminal
    assert run(path, at=site.name.upper())[1].endswith(
        "0 patients loaded, 2 already there, 0 rows refused.\n"
    )


def test_refused_rows_are_listed_and_reported_without_their_content(
    run: Run, file: Callable[..., Path], tmp_path: Path
) -> None:
    path = file(HEADER + "A1,Zoraida,Reyes,17.5.1980,+1\n\nA2,Bo\nA3,Cy,Ma,1981-01-01,\n")
    report = tmp_path / "report.csv"
    code, out, complaints = run(path, "--report", report)
    assert code == 1
    assert "1 patient loaded, 0 already there, 2 rows refused" in out
    with report.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["file"], row["line"], row["column"]) for row in rows] == [
        ("patients.csv", "2", "date_of_birth"),
        ("patients.csv", "2", "phone"),
        ("patients.csv", "4", "last_name"),
    ]
    assert "YYYY-MM-DD" in rows[0]["reason"]
    for told in (complaints, report.read_text(encoding="utf-8")):
        assert "date_of_birth" in told
        assert not any(secret in told for secret in ("Zoraida", "Reyes", "17.5.1980"))


def test_a_western_file_is_read_with_a_notice(run: Run, file: Callable[..., Path]) -> None:
    code, _out, notice = run(file((HEADER + "A1,Ana,Peña,1980-05-17,\n").encode("cp1252")))
    assert (code, Patient.objects.get().last_name) == (0, "Peña")
    assert "Windows-1252" in notice


def test_a_byte_order_mark_is_no_part_of_the_first_column(run: Run, file: Callable[..., Path]) -> None:
    code, _out, notice = run(file(("\ufeff" + HEADER + "A1,Ana,Peña,1980-05-17,\n").encode()))
    assert (code, notice, Patient.objects.get().mrn) == (0, "", "A1")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "empty"),
        (HEADER.replace("last_name", "surname"), "Column last_name is missing"),
        (HEADER.strip() + ",phone\n", "more than once"),
        (b"PK\x03\x04", "spreadsheet"),
    ],
)
def test_an_unusable_file_is_exit_code_2(
    run: Run, file: Callable[..., Path], content: str | bytes, word: str
) -> None:
    code, _out, complaint = run(file(content))
    assert code == 2
    assert word in complaint


def test_what_cannot_be_used_is_named(
    run: Run, file: Callable[..., Path], site: Site, tmp_path: Path
) -> None:
    path = file(HEADER)
    assert run(tmp_path / "absent.csv")[0] == 2
    assert run(tmp_path)[0] == 2
    assert run()[0] == 2
    assert run(path, "--synthea", tmp_path)[0] == 2
    assert run(path, "--report", tmp_path / "no" / "report.csv")[0] == 2
    code, _out, complaint = run(path, at="Nowhere")
    assert code == 2
    assert f"{site.name} ({site.pk})" in complaint
    assert run(path, at="9" * 30)[0] == 2


def test_all_or_nothing_and_dry_run(run: Run, file: Callable[..., Path]) -> None:
    path = file(HEADER + "A1,Ana,Reyes,1980-05-17,\nA2,Bo,Li,soon,\n")
    code, _out, complaint = run(path, "--all-or-nothing")
    assert (code, Patient.objects.count()) == (1, 0)
    assert "nothing was loaded" in complaint
    code, out, _err = run(path, "--dry-run")
    assert (code, Patient.objects.count()) == (1, 0)
    assert "1 patient would be loaded" in out


@pytest.fixture
def synthea(tmp_path: Path) -> Path:
    """A small export: one living, one dead, one born the wrong way round."""
    people = [
        "Id,BIRTHDATE,DEATHDATE,FIRST,LAST,GENDER",
        "b63edfda-d82b-5fc1-4738-10b77b73b271,1968-07-31,,Freeman822,Kessler503,M",
        "64a92987-ac95-c759-a7fc-6681dd9f1a9d,1920-01-19,2001-02-03,Cole117,Peña909,F",
        "74a92987-ac95-c759-a7fc-6681dd9f1a9d,19-01-1920,,Cara1,Lost2,F",
    ]
    conditions = [
        "START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION",
        "2014-01-31,,b63edfda-d82b-5fc1-4738-10b77b73b271,e,278860009,Chronic low back pain (finding)",
        "2014-01-31,,b63edfda-d82b-5fc1-4738-10b77b73b271,e,1,Viral sinusitis (disorder)",
        "2014-01-31,,00000000-d82b-5fc1-4738-10b77b73b271,e,1,Stroke",
        "31.01.2014,,64a92987-ac95-c759-a7fc-6681dd9f1a9d,e,1,Stroke",
    ]
    (tmp_path / "patients.csv").write_text("\n".join(people), encoding="utf-8")
    (tmp_path / "conditions.csv").write_text("\n".join(conditions), encoding="utf-8")
    return tmp_path


def test_a_synthea_export_is_loaded_and_explained(run: Run, synthea: Path, site: Site) -> None:
    code, out, told = run("--synthea", synthea)
    assert code == 1
    assert (
        "2 patients loaded, 1 of them deceased, 1 condition recorded, 0 already there, 3 rows refused" in out
    )
    assert "1 row of conditions.csv left out" in told
    assert "viral sinusitis (1)" in told
    listed = [line.split()[:3] for line in told.splitlines() if line.startswith(("patients", "conditions"))]
    assert listed == [
        ["conditions.csv", "4", "PATIENT"],
        ["conditions.csv", "5", "START"],
        ["patients.csv", "4", "BIRTHDATE"],
    ]
    kept = Patient.objects.order_by("mrn").values_list("mrn", "first_name", "last_name", "sex", "status")
    assert list(kept) == [
        ("SYN-64A92987-AC95", "Cole", "Peña", "female", "deceased"),
        ("SYN-B63EDFDA-D82B", "Freeman", "Kessler", "male", "active"),
    ]
    assert PatientCondition.objects.get().condition.code == "low-back-pain"
    assert "2 already there" in run("--synthea", synthea)[1]
    assert PatientCondition.objects.count() == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_terminal_sees_progress(file: Callable[..., Path], site: Site) -> None:
    path = file(HEADER + "A1,Ana,Reyes,1980-05-17,\n")
    database = settings.DATABASES["default"]
    command: list[str] = [
        sys.executable,
        "manage.py",
        "import_patients",
        str(path),
        "--site",
        str(site.pk),
        "--dry-run",
    ]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "clinic.settings.test"}
    environment["DATABASE_URL"] = os.environ["DATABASE_URL"].rsplit("/", 1)[0] + f"/{database['NAME']}"
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    try:
        subprocess.run(
            command,
            env=environment,
            cwd=settings.BASE_DIR,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            timeout=60,
            check=True,
        )
    finally:
        os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as screen:
        assert b"1 rows" in b"".join(_until_hung_up(screen))


def _until_hung_up(screen: FileIO) -> Iterator[bytes]:
    """What a terminal got; Linux ends it with an error."""
    with contextlib.suppress(OSError):
        while shown := screen.read(4096):
            yield shown


@pytest.fixture
def demo_settings(request: pytest.FixtureRequest) -> Any:
    """pytest-django's settings under another name: this module reads django.conf.settings too."""
    return request.getfixturevalue("settings")


def test_the_only_site_need_not_be_named(
    run: Run, file: Callable[[str | bytes], Path], demo_settings: Any
) -> None:
    demo_settings.DEFAULT_SITE = ""
    path = file("first_name,last_name,date_of_birth\nAna,Reyes,1980-05-17\n")
    assert run(path, at="")[0] == 0


def test_with_several_sites_one_is_named_or_is_the_default(
    run: Run, file: Callable[[str | bytes], Path], demo_settings: Any
) -> None:
    second = SiteFactory.create()
    path = file("first_name,last_name,date_of_birth\nAna,Reyes,1980-05-17\n")
    demo_settings.DEFAULT_SITE = ""
    code, _out, complaint = run(path, at="")
    assert code == 2
    assert "--site" in complaint
    demo_settings.DEFAULT_SITE = second.name
    assert run(path, at="")[0] == 0
    assert Patient.objects.get().site == second

"""The documents say what the code does: generated parts, variables, error codes, links, versions."""

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.meta.documents import GENERATED, codes, renewed, table_names
from tests.meta.settings_names import read_by
from tests.meta.source import ROOT, modules, strings

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ADRS = sorted(path for path in (ROOT / "docs/adr").glob("*.md") if path.name != "README.md")
# Made by Django REST framework, not named in our code.
FRAMEWORK_CODES = {"method_not_allowed", "unsupported_media_type", "throttled"}
LONGEST_ADR = 40


@pytest.mark.parametrize("name", GENERATED)
def test_generated_parts_are_fresh(name: str) -> None:
    assert (ROOT / name).read_text() == renewed(name), "run .venv/bin/python -m tests.meta.documents"


@pytest.mark.parametrize("name", GENERATED)
def test_every_generated_part_has_its_place(name: str) -> None:
    assert set(re.findall(r"<!-- generated: (\w+) -->", (ROOT / name).read_text())) == set(GENERATED[name])


def test_production_variables_are_explained() -> None:
    explained = table_names("docs/configuration.md", "Production")
    assert len(set(explained)) == len(explained)
    # Two that production refuses, and the one that chooses the settings, are explained apart.
    assert set(read_by("base")) - {"DJANGO_SETTINGS_MODULE"} == set(explained)


def test_demo_variables_are_explained() -> None:
    explained = table_names("docs/configuration.md", "Demo and tests only")
    assert set(read_by("demo")) - set(read_by("base")) == set(explained)


def test_required_variables_are_said_to_be() -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", text, re.MULTILINE))
    for name, required in {**read_by("base"), **read_by("demo")}.items():
        if name in rows:
            assert (rows[name] == "required") == required, name


def test_make_variables_are_explained() -> None:
    explained = set(table_names("docs/configuration.md", "For make"))
    exported = re.search(r"\$\(foreach name,([A-Z_ ]+),", (ROOT / "Makefile").read_text())
    assert exported is not None
    assert set(exported[1].split()) <= explained


def listed_codes() -> list[str]:
    return table_names("docs/api.md", "Problem codes") + table_names("docs/api.md", "Field codes")


def test_every_error_code_is_listed() -> None:
    listed = set(listed_codes())
    assert {code: place for code, place in codes().items() if code not in listed} == {}


def test_every_listed_code_exists() -> None:
    known = set().union(*(strings(module.tree) for module in modules())) | FRAMEWORK_CODES
    assert set(listed_codes()) - known == set()


def test_no_code_is_listed_twice() -> None:
    listed = listed_codes()
    assert {code for code in listed if listed.count(code) > 1} == set()


def links(path: Path) -> list[str]:
    """Where a document points to within the repository."""
    found = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text())
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert [link for link in links(path) if not (path.parent / link).exists()] == []


def test_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for path in DOCUMENTS
        for target in re.findall(r"(?:`|^    )make ([a-z][a-z-]*)", path.read_text(), re.MULTILINE)
    }
    assert {"demo", "test", "check", "clock"} <= named
    assert named - targets == set()


@pytest.mark.parametrize("path", ADRS, ids=lambda path: path.stem)
def test_decisions_are_numbered_titled_and_short(path: Path) -> None:
    number = ADRS.index(path) + 1
    assert path.name.startswith(f"{number:04}-")
    lines = path.read_text().splitlines()
    assert lines[0].startswith(f"# {number}. ")
    assert re.match(r"(Accepted|Replaced by ADR \d+), \w+ \d{4}\.", lines[2])
    assert len(lines) <= LONGEST_ADR


def test_files_that_the_code_points_to_exist() -> None:
    named = {
        (module.name, link)
        for module in modules()
        for link in re.findall(r"docs/[\w/.-]+\.(?:md|yaml)", module.text)
    }
    assert named
    assert {pair for pair in named if not (ROOT / pair[1]).exists()} == set()


def test_the_licence_is_the_whole_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"


def test_no_package_forbids_our_licence() -> None:
    """The whole locked environment; LGPL and MPL libraries used unchanged are fine (ADR 9)."""
    forbidding = {}
    for package in distributions():
        metadata = package.metadata
        stated = [*(metadata.get_all("License-Expression") or []), *(metadata.get_all("Classifier") or [])]
        if re.search(r"\bA?GPL|SSPL|Affero|GNU General Public", " ".join(stated)):
            forbidding[metadata["Name"]] = stated
    assert forbidding == {}


@pytest.mark.parametrize("section", ["Unreleased"])
def test_the_changelog_has_a_place_for_what_comes(section: str) -> None:
    assert f"\n## {section}\n" in (ROOT / "CHANGELOG.md").read_text()

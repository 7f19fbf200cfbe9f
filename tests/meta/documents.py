"""The parts of the documents that are made from code, and what the documents must list.

``python -m tests.meta.documents`` writes the generated parts anew; a test compares.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from clinic.access.policy import PERMISSIONS, Role
from scheduling.domain import session_stages, transitions
from scheduling.domain.measures import CATALOGUE
from tests.meta.source import ROOT, called, calls, constant, modules

_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_CODE = re.compile(r"[a-z][a-z0-9_]+")
# Looking a row up by its code is not refusing anything.
_LOOKUPS = {"get", "filter", "exclude", "get_or_create", "update_or_create", "create", "get_object_or_404"}


def permissions() -> str:
    """The role table in Markdown; a dot where a role has the permission at its sites."""
    roles = [role for role in Role if any(role in held for held in PERMISSIONS.values())]
    lines = [
        "| Permission | " + " | ".join(f"`{role}`" for role in roles) + " |",
        "|---|" + ":-:|" * len(roles),
    ]
    for name, held in PERMISSIONS.items():
        lines.append(f"| `{name}` | " + " | ".join("●" if role in held else " " for role in roles) + " |")
    return "\n".join(lines) + "\n"


def session_stages_of_a_day() -> str:
    """Where a patient is on the day of an infusion, as a diagram."""
    return f"```mermaid\n{session_stages.mermaid()}```\n"


def appointment_steps() -> str:
    """The steps of an appointment as a diagram."""
    return f"```mermaid\n{transitions.mermaid()}```\n"


def measures() -> str:
    """The catalogue of measures."""
    return "\n".join(
        f"### {each.name} (`{each.code}`, {each.unit})\n\n{each.definition}\n\n"
        f"- Counted: {each.numerator}.\n- Out of: {each.denominator}.\n- For: {each.day}.\n"
        f"- {each.better.capitalize()} is better.\n"
        for each in CATALOGUE.values()
    )


GENERATED = {
    "docs/access.md": {"permissions": permissions},
    "docs/architecture.md": {"transitions": appointment_steps, "stages": session_stages_of_a_day},
    "docs/measures.md": {"measures": measures},
}


def renewed(name: str) -> str:
    """The document with its generated parts as the code wants them. Raises KeyError for an unknown part."""
    parts = GENERATED[name]
    text = (ROOT / name).read_text(encoding="utf-8")
    return _PART.sub(lambda match: f"{match[1]}{parts[match[2]]()}{match[3]}", text)


def table_names(name: str, section: str) -> list[str]:
    """The words in backticks in the first column of the tables under a heading."""
    text = (ROOT / name).read_text(encoding="utf-8")
    body = re.split(rf"^## {re.escape(section)}\n", text, flags=re.MULTILINE)[1]
    body = re.split(r"^## ", body, flags=re.MULTILINE)[0]
    cells = re.findall(r"^\| ([^|]*) \|", body, re.MULTILINE)
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def codes() -> dict[str, str]:
    """Every error code that the application can answer with, and a place that says so.

    Found as ``code="…"`` in a call, as a class's ``code`` or ``default_code``, and as a value of a
    module's table whose name ends in CODES or holds the codes of a rule.
    """
    found: dict[str, str] = {}
    for module in modules():
        if module.is_migration or "/settings/" in module.name or "/embedded/" in module.name:
            continue
        for code in _codes_in(module.tree):
            if _CODE.fullmatch(code):
                found.setdefault(code, module.name)
    return found


def _codes_in(tree: ast.Module) -> Iterator[str]:
    for call in calls(tree):
        if called(call) not in _LOOKUPS:
            yield from (
                code for word in call.keywords if word.arg == "code" for code in _branches(word.value)
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                match statement:
                    case ast.Assign(targets=[ast.Name(id="code" | "default_code")], value=value):
                        yield from _branches(value)


def _branches(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.IfExp):
        yield from _branches(value.body)
        yield from _branches(value.orelse)
    elif (text := constant(value)) is not None:
        yield text


def main() -> None:
    """Write the generated parts."""
    for name in GENERATED:
        Path(ROOT / name).write_text(renewed(name), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Our own code as data. Meta-tests read it with ast, so that what they find is code and not a comment."""

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPLICATION = ("clinic", "patients", "scheduling")
HARNESS = ("tests", "bench")


@dataclass(frozen=True)
class Module:
    """One Python file; ``name`` is its path from the root, such as ``patients/models/patients.py``."""

    name: str
    text: str
    tree: ast.Module

    @property
    def is_migration(self) -> bool:
        """Whether Django generated or runs it as a migration."""
        return "/migrations/" in self.name


@functools.cache
def modules(*rooms: str) -> tuple[Module, ...]:
    """Every module of these top-level directories (default: the application), in a fixed order."""
    found = []
    for room in rooms or APPLICATION:
        for path in sorted((ROOT / room).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            found.append(Module(path.relative_to(ROOT).as_posix(), text, ast.parse(text)))
    return tuple(found)


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Every call in it."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    """The last name of what is called: ``update`` for ``Message.objects.update(…)``."""
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def constant(node: ast.expr | None) -> str | None:
    """The string that this expression is, if it is one."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def strings(tree: ast.AST) -> set[str]:
    """Every string literal in it."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

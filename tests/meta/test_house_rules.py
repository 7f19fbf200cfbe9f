"""CONTRIBUTING.md's rules that a machine can check and no linter does."""

import ast
from collections.abc import Callable, Iterator

import pytest

from tests.meta.source import APPLICATION, HARNESS, ROOT, Module, called, calls, constant, modules

LONGEST_MODULE = 400
CLOCK = "clinic/common/clock.py"
_CLOCK_READINGS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("timezone", "now"),
    ("timezone", "localdate"),
    ("timezone", "localtime"),
    ("time", "time"),
    ("time", "time_ns"),
}
# Not the clinic's time: the sinks and the supervisor run beside the application, not in it.
_OTHER_CLOCKS = ("clinic/embedded/",)
_WRITING_CALLS = {"update", "create", "get_or_create", "update_or_create", "bulk_update", "save"}


def clock_readings(tree: ast.AST) -> Iterator[int]:
    """Lines that ask a clock for the present: ``datetime.now(…)``, ``timezone.now()``, ``time.time()``."""
    for call in calls(tree):
        match call.func:
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=reading):
                if (owner, reading) in _CLOCK_READINGS:
                    yield call.lineno


def status_writes(tree: ast.AST) -> Iterator[int]:
    """Lines that change a record's status: assignments to ``.status``, setattr, and update(status=…)."""
    written: list[ast.expr]
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets):
                written = list(targets)
            case ast.AugAssign() | ast.AnnAssign():
                written = [node.target]
            case ast.Call():
                written = []
                if called(node) in _WRITING_CALLS and any(word.arg == "status" for word in node.keywords):
                    yield node.lineno
                if called(node) == "setattr" and len(node.args) > 1 and constant(node.args[1]) == "status":
                    yield node.lineno
            case _:
                written = []
        for target in written:
            for part in ast.walk(target):
                if isinstance(part, ast.Attribute) and part.attr == "status":
                    yield part.lineno


def findings(rule: Callable[[ast.AST], Iterator[int]], *, within: tuple[Module, ...]) -> list[str]:
    """``file:line`` of everything the rule finds."""
    return [f"{module.name}:{line}" for module in within for line in sorted(set(rule(module.tree)))]


def may_write_status(module: Module) -> bool:
    """Services do; domain objects are values, not records; migrations and the demo's seed fill tables."""
    return "/services/" in module.name or "/domain/" in module.name or module.is_migration


def test_only_services_write_a_status() -> None:
    others = tuple(m for m in modules("patients", "scheduling") if not may_write_status(m))
    assert findings(status_writes, within=others) == []


def test_the_present_is_read_in_one_place() -> None:
    others = tuple(
        m
        for m in modules()
        if m.name != CLOCK and not m.name.startswith(_OTHER_CLOCKS) and not m.is_migration
    )
    assert findings(clock_readings, within=others) == []


def test_clinic_time_is_read_by_views_tasks_and_commands_only() -> None:
    """domain, models, selectors and services take ``now``; they do not even import the clock."""
    importing = []
    for module in modules("patients", "scheduling"):
        floors = {"domain", "models", "selectors", "services", "gateways"}
        if not floors & set(module.name.split("/")):
            continue
        for node in ast.walk(module.tree):
            match node:
                case ast.ImportFrom(module="clinic.common", names=names) if any(
                    n.name == "clock" for n in names
                ):
                    importing.append(module.name)
                case ast.ImportFrom(module="clinic.common.clock"):
                    importing.append(module.name)
                case ast.Import(names=names) if any(n.name == "clinic.common.clock" for n in names):
                    importing.append(module.name)
    assert importing == []


def test_no_module_is_too_long_to_hold_in_the_head() -> None:
    long = {
        module.name: module.text.count("\n")
        for module in modules(*APPLICATION, *HARNESS)
        if not module.is_migration and not module.name.startswith("tests/")
    }
    assert {name: lines for name, lines in long.items() if lines > LONGEST_MODULE} == {}


def test_no_drawer_for_odds_and_ends() -> None:
    names = {module.name for module in modules(*APPLICATION, *HARNESS)}
    assert {
        name for name in names if name.rsplit("/", 1)[-1] in {"utils.py", "helpers.py", "misc.py"}
    } == set()


def needs_no_docstring(module: Module) -> bool:
    """Migrations, Django's apps.py, and packages that are empty or only re-export."""
    if module.is_migration or module.name.endswith("/apps.py"):
        return True
    allowed = (ast.Import, ast.ImportFrom, ast.Assign)
    return module.name.endswith("/__init__.py") and all(
        isinstance(node, allowed) for node in module.tree.body
    )


def test_every_module_says_what_lives_in_it() -> None:
    silent = [
        module.name
        for module in modules(*APPLICATION, *HARNESS)
        if not needs_no_docstring(module) and not ast.get_docstring(module.tree)
    ]
    assert silent == []


def test_test_files_have_different_names() -> None:
    """pytest and mypy see test files without packages, so two of one name would be one module."""
    seen: dict[str, list[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        seen.setdefault(path.name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in seen.items() if len(paths) > 1} == {}


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (clock_readings, "datetime.now(UTC)"),
        (clock_readings, "datetime.datetime.now()"),
        (clock_readings, "timezone.now()"),
        (clock_readings, "date.today()"),
        (clock_readings, "time.time()"),
        (status_writes, "appointment.status = 'booked'"),
        (status_writes, "a.status, b = 'x', 1"),
        (status_writes, "self.message.status: str = 'sent'"),
        (status_writes, "Message.objects.filter(pk=1).update(status='sent')"),
        (status_writes, "setattr(item, 'status', 'open')"),
        (status_writes, "Appointment.objects.create(status='booked')"),
    ],
)
def test_the_rules_find_what_they_look_for(rule: Callable[[ast.AST], Iterator[int]], code: str) -> None:
    assert list(rule(ast.parse(code))) == [1]


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (clock_readings, "clock.now()"),
        (clock_readings, "time.monotonic()"),
        (status_writes, "if appointment.status == 'booked': pass"),
        (status_writes, "Message.objects.filter(status='queued').update(reason='')"),
        (status_writes, "Response(status=204)"),
    ],
)
def test_the_rules_leave_the_rest_alone(rule: Callable[[ast.AST], Iterator[int]], code: str) -> None:
    assert list(rule(ast.parse(code))) == []

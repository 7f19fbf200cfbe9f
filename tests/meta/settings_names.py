"""Which environment variables the settings read, found in their code."""

import ast

from tests.meta.source import called, calls, constant, modules

_READERS = {"text", "number", "flag", "names", "choice", "rate", "address", "url", "site", "proxies"}


def read_by(module: str) -> dict[str, bool]:
    """Name -> whether the start fails without it, for ``clinic/settings/<module>.py``."""
    [source] = [found for found in modules("clinic") if found.name == f"clinic/settings/{module}.py"]
    found: dict[str, bool] = {}
    for call in calls(source.tree):
        if not (isinstance(call.func, ast.Attribute) and call.args):
            continue
        owner = ast.unparse(call.func.value)
        name = constant(call.args[0])
        if name and owner == "env" and called(call) in _READERS:
            found[name] = not _has_default(call)
        elif name and owner == "os.environ" and called(call) == "get":
            found.setdefault(name, False)
    return found


def _has_default(call: ast.Call) -> bool:
    positional = {
        "text": 2,
        "names": 2,
        "number": 2,
        "choice": 3,
        "rate": 2,
        "address": 2,
        "url": 3,
        "site": 99,
        "proxies": 1,
    }
    return len(call.args) >= positional.get(called(call), 99) or any(
        keyword.arg == "default" for keyword in call.keywords
    )

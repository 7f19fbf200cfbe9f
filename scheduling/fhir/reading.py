"""What a search asks, in its address or its form; what is personal is refused in an address."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from scheduling.fhir.kinds import Kind, Wanted, read, written
from scheduling.fhir.parameters import refused

MOST = 200
USUAL = 50
CONTROLS = frozenset({"_count", "_cursor", "_format"})
_LONGEST_NAME = 60
_LONGEST_VALUE = 200
_LONGEST_COUNT = 9


def wanted(kind: Kind, request: Request) -> Wanted:
    """The search. Raises ValidationError (400)."""
    given = _given(kind, request)
    cursor = given.pop("_cursor", None)
    count = given.pop("_count", None)
    given.pop("_format", None)
    return Wanted(
        values=given,
        count=USUAL if count is None else _count(count[0]),
        after=() if cursor is None else read(cursor[0]),
    )


def link(kind: Kind, asked: Wanted, *, base: str, after: object = None) -> str:
    """The address of this page, or of the one behind ``after``; without anything personal."""
    private = {each.name for each in kind.parameters if each.personal}
    pairs = [
        (name, value) for name, values in asked.values.items() if name not in private for value in values
    ]
    position = asked.after if after is None else after
    if position:
        pairs.append(("_cursor", written(position)))  # type: ignore[arg-type]
    return f"{base}/{kind.type}?{urlencode([*pairs, ('_count', asked.count)])}"


def _given(kind: Kind, request: Request) -> dict[str, list[str]]:
    known = {each.name: each.repeats for each in kind.parameters} | dict.fromkeys(CONTROLS, False)
    private = {each.name for each in kind.parameters if each.personal}
    given: dict[str, list[str]] = {}
    for name, values, in_address in _pairs(request):
        if in_address and name.partition(":")[0] in private:
            raise ValidationError(
                {name[:_LONGEST_NAME]: ["Send this in the form of a POST to _search, never in an address."]},
                code="personal_in_address",
            )
        if name not in known:
            listed = ", ".join(sorted(known))
            raise refused(
                name[:_LONGEST_NAME], f"Unknown parameter. Known here: {listed}.", code="unknown_parameter"
            )
        given.setdefault(name, []).extend(values)
    for name, values in given.items():
        _check(name, values, repeats=known[name])
    return given


def _pairs(request: Request) -> Iterator[tuple[str, list[str], bool]]:
    for name, values in request.query_params.lists():
        yield name, values, True
    if request.method == "POST" and isinstance(request.data, Mapping):
        for name, values in request.data.lists():  # type: ignore[attr-defined]  # a form's QueryDict
            yield name, values, False


def _check(name: str, values: list[str], *, repeats: bool) -> None:
    if len(values) > 1 and not repeats:
        raise refused(name, "Given more than once.", code="unknown_parameter")
    for value in values:
        if not value.strip():
            raise refused(name, "Give a value, or leave it out.", code="blank")
        if "\x00" in value:
            raise refused(name, "Null characters are not allowed.", code="unknown_parameter")
        if len(value) > _LONGEST_VALUE:
            raise refused(name, f"Use at most {_LONGEST_VALUE} characters.", code="too_long")


def _count(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= _LONGEST_COUNT and int(value)):
        raise refused("_count", f"Use a whole number from 1 to {MOST}.", code="out_of_range")
    return min(int(value), MOST)

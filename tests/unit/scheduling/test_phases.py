"""Phases: what a visit asks of its resources, and how bad definitions are refused."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scheduling
from clinic.common.errors import FieldError, Invalid
from scheduling.domain.phases import (
    PEOPLE,
    InvalidPhases,
    Kind,
    Need,
    Phase,
    Requirement,
    Use,
    infusion_phase,
    parse,
    requirements,
    to_json,
    total_minutes,
    with_infusion_minutes,
)

CHAIR = Need(Kind.CHAIR, Use.EXCLUSIVE)
HANDS_ON = Need(Kind.NURSE, Use.EXCLUSIVE)
WATCHED = Need(Kind.NURSE, Use.SHARED)

KETAMINE_MOOD = (
    Phase("set-up", 15, (CHAIR, HANDS_ON, WATCHED)),
    Phase("infusion", 40, (CHAIR, WATCHED)),
    Phase("recovery", 35, (CHAIR, WATCHED)),
    Phase("disconnection", 15, (CHAIR, HANDS_ON, WATCHED)),
    Phase("turnover", 15, (CHAIR,)),
)


def a_phase(**changes: object) -> dict[str, object]:
    return {"name": "infusion", "minutes": 40, "needs": [{"kind": "chair", "use": "exclusive"}]} | changes


@st.composite
def some_phases(draw: st.DrawFn) -> tuple[Phase, ...]:
    needs = st.lists(
        st.sampled_from([Need(kind, use) for kind in Kind for use in Use]), unique=True, max_size=4
    )
    return tuple(
        Phase(f"phase {n}", draw(st.integers(1, 90)), tuple(_without_contradiction(draw(needs))))
        for n in range(draw(st.integers(1, 8)))
    )


def _without_contradiction(needs: list[Need]) -> list[Need]:
    kept: list[Need] = []
    for need in needs:
        if need.kind in PEOPLE or all(need.kind != other.kind for other in kept):
            kept.append(need)
    return kept


class TestRequirements:
    def test_a_mood_infusion_holds_its_chair_once_and_the_nurse_hands_on_at_both_ends(self) -> None:
        assert requirements(KETAMINE_MOOD) == (
            Requirement(Kind.CHAIR, Use.EXCLUSIVE, 0, 120),
            Requirement(Kind.NURSE, Use.EXCLUSIVE, 0, 15),
            Requirement(Kind.NURSE, Use.EXCLUSIVE, 90, 15),
            Requirement(Kind.NURSE, Use.SHARED, 0, 105),
        )
        assert total_minutes(KETAMINE_MOOD) == 120

    def test_a_phase_without_needs_asks_for_nothing(self) -> None:
        assert requirements([Phase("waiting", 30)]) == ()

    @given(some_phases())
    def test_each_minute_asks_for_what_its_phase_needs(self, phases: tuple[Phase, ...]) -> None:
        by_minute = [set(phase.needs) for phase in phases for _ in range(phase.minutes)]
        found: list[set[Need]] = [set() for _ in range(total_minutes(phases))]
        for each in requirements(phases):
            for minute in range(each.offset_minutes, each.until_minutes):
                assert Need(each.kind, each.use) not in found[minute]
                found[minute].add(Need(each.kind, each.use))
        assert found == by_minute

    @given(some_phases())
    def test_runs_are_as_long_as_they_can_be(self, phases: tuple[Phase, ...]) -> None:
        for need in {need for phase in phases for need in phase.needs}:
            runs = sorted(
                (each.offset_minutes, each.until_minutes)
                for each in requirements(phases)
                if Need(each.kind, each.use) == need
            )
            assert all(one[1] < after[0] for one, after in pairwise(runs))


class TestParse:
    @given(some_phases())
    def test_reads_back_what_it_wrote(self, phases: tuple[Phase, ...]) -> None:
        assert parse(json.loads(json.dumps(to_json(phases)))) == phases

    def test_needs_may_be_left_out_and_names_are_trimmed(self) -> None:
        assert parse([{"name": " call ", "minutes": 20}]) == (Phase("call", 20),)

    def test_the_longest_visit_is_a_day(self) -> None:
        assert total_minutes(parse([a_phase(minutes=720)] * 2)) == 1440
        with pytest.raises(InvalidPhases) as refused:
            parse([a_phase(minutes=720), a_phase(minutes=720), a_phase(minutes=1)])
        assert [(each.pointer, each.code) for each in refused.value.errors] == [("/phases", "visit_too_long")]

    @pytest.mark.parametrize(
        ("value", "pointer", "code"),
        [
            ({}, "/phases", "not_a_list"),
            (None, "/phases", "not_a_list"),
            ("set-up", "/phases", "not_a_list"),
            ([], "/phases", "out_of_range"),
            ([a_phase(minutes=1)] * 41, "/phases", "out_of_range"),
            ([7], "/phases/0", "not_an_object"),
            ([a_phase(), {"name": "x"}], "/phases/1/minutes", "required"),
            ([{"minutes": 5}], "/phases/0/name", "required"),
            ([a_phase(colour="red")], "/phases/0", "unknown_field"),
            ([a_phase(name="")], "/phases/0/name", "invalid_name"),
            ([a_phase(name="  ")], "/phases/0/name", "invalid_name"),
            ([a_phase(name=5)], "/phases/0/name", "invalid_name"),
            ([a_phase(name="a\x00b")], "/phases/0/name", "invalid_name"),
            ([a_phase(name="\ud800")], "/phases/0/name", "invalid_name"),
            ([a_phase(name="x" * 81)], "/phases/0/name", "invalid_name"),
            ([a_phase(minutes=0)], "/phases/0/minutes", "out_of_range"),
            ([a_phase(minutes=-5)], "/phases/0/minutes", "out_of_range"),
            ([a_phase(minutes=1441)], "/phases/0/minutes", "out_of_range"),
            ([a_phase(minutes=True)], "/phases/0/minutes", "out_of_range"),
            ([a_phase(minutes=15.0)], "/phases/0/minutes", "out_of_range"),
            ([a_phase(minutes="15")], "/phases/0/minutes", "out_of_range"),
            ([a_phase(minutes=10**30)], "/phases/0/minutes", "out_of_range"),
            ([a_phase(needs={})], "/phases/0/needs", "not_a_list"),
            ([a_phase(needs=[{}] * 11)], "/phases/0/needs", "duplicate"),
            ([a_phase(needs=["chair"])], "/phases/0/needs/0", "not_an_object"),
            ([a_phase(needs=[{"kind": "chair"}])], "/phases/0/needs/0/use", "required"),
            ([a_phase(needs=[{"kind": "sofa", "use": "shared"}])], "/phases/0/needs/0/kind", "unknown_kind"),
            ([a_phase(needs=[{"kind": [], "use": "shared"}])], "/phases/0/needs/0/kind", "unknown_kind"),
            ([a_phase(needs=[{"kind": "pump", "use": "often"}])], "/phases/0/needs/0/use", "unknown_use"),
            (
                [a_phase(needs=[{"kind": "pump", "use": "exclusive"}] * 2)],
                "/phases/0/needs/1",
                "duplicate",
            ),
            (
                [a_phase(needs=[{"kind": "room", "use": "shared"}, {"kind": "room", "use": "exclusive"}])],
                "/phases/0/needs/1",
                "contradiction",
            ),
        ],
    )
    def test_names_the_fault_by_its_pointer(self, value: object, pointer: str, code: str) -> None:
        with pytest.raises(InvalidPhases) as refused:
            parse(value)
        assert [(each.pointer, each.code) for each in refused.value.errors] == [(pointer, code)]
        assert refused.value.detail.startswith(f"{pointer}: ")

    def test_lists_every_fault_at_once_below_the_pointer_given(self) -> None:
        with pytest.raises(InvalidPhases) as refused:
            parse([a_phase(minutes=0), a_phase(needs=[{"kind": "sofa", "use": "shared"}])], pointer="/x")
        assert [each.pointer for each in refused.value.errors] == ["/x/0/minutes", "/x/1/needs/0/kind"]

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(["name", "minutes", "needs", "kind", "use", "?"]), inner, max_size=4
                )
            ),
            max_leaves=20,
        )
    )
    def test_any_json_is_read_or_refused(self, value: object) -> None:
        faults: tuple[FieldError, ...] | None = None
        try:
            phases = parse(value)
        except InvalidPhases as refused:
            faults = refused.errors
        else:
            assert parse(to_json(phases)) == phases
        assert faults is None or (faults and all(each.pointer.startswith("/phases") for each in faults))


def test_the_infusion_is_what_follows_the_set_up() -> None:
    shipped = json.loads((Path(scheduling.__file__).parent / "catalogue" / "visit_types.json").read_text())
    named = {}
    for each in shipped:
        phases = parse(each["phases"])
        index = infusion_phase(phases)
        named[each["code"]] = None if index is None else phases[index].name
    assert named == {
        "ketamine-mood": "infusion",
        "ketamine-pain": "infusion",
        "esketamine": "dosing",
        "consultation": "consultation",
        "follow-up": "follow-up",
    }
    assert infusion_phase([Phase("greeting", 5), *KETAMINE_MOOD]) == 2
    assert infusion_phase([Phase("all", 30, (CHAIR,))]) == 0
    assert infusion_phase([Phase("hands-on", 30, (HANDS_ON,))]) is None


@given(some_phases(), st.integers(1, 300))
def test_only_the_infusion_changes_its_length(phases: tuple[Phase, ...], minutes: int) -> None:
    index = infusion_phase(phases)
    if index is None:
        with pytest.raises(Invalid) as refused:
            with_infusion_minutes(phases, minutes)
        assert refused.value.code == "no_infusion_phase"
        return
    changed = with_infusion_minutes(phases, minutes)
    assert changed[index].minutes == minutes
    assert [(each.name, each.needs) for each in changed] == [(each.name, each.needs) for each in phases]
    assert total_minutes(changed) - total_minutes(phases) == minutes - phases[index].minutes
    assert infusion_phase(changed) == index


def test_a_stretched_visit_asks_for_more_of_the_same() -> None:
    longer = requirements(with_infusion_minutes(KETAMINE_MOOD, 60))
    assert longer == (
        Requirement(Kind.CHAIR, Use.EXCLUSIVE, 0, 140),
        Requirement(Kind.NURSE, Use.EXCLUSIVE, 0, 15),
        Requirement(Kind.NURSE, Use.EXCLUSIVE, 110, 15),
        Requirement(Kind.NURSE, Use.SHARED, 0, 125),
    )


@pytest.mark.parametrize("minutes", [0, -5, 24 * 60])
def test_a_visit_ends_within_a_day(minutes: int) -> None:
    with pytest.raises(Invalid) as refused:
        with_infusion_minutes(KETAMINE_MOOD, minutes)
    assert refused.value.code == "out_of_range"

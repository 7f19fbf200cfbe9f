"""Every row of DOMAIN section 4: items, range, bands, critical answers; incomplete is incomplete."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.domain.instruments import InvalidAnswers
from patients.domain.scoring import Kind, Opens, Result, assess, band_of
from tests.unit.assessments.shipped import answers, instrument, rows, thresholds

SUMMED = ("PHQ-9", "GAD-7", "NRS", "PCL-5")


def scored(code: str, given: dict[str, int]) -> Result:
    return assess(instrument=instrument(code), thresholds=thresholds(code), answers=given)


def opened(result: Result, what: Opens) -> set[tuple[str, str]]:
    """(item, severity) of everything that opens this."""
    return {(i, f.threshold.severity) for f in result.findings for i in f.items if f.threshold.opens == what}


@pytest.mark.parametrize(
    ("code", "items", "highest", "maximum", "loinc"),
    [
        ("PHQ-9", 9, 3, 27, "44249-1"),
        ("GAD-7", 7, 3, 21, ""),
        ("NRS", 1, 10, 10, "72514-3"),
        ("ASQ", 5, 1, None, ""),
        ("PCL-5", 20, 4, 80, "101697-1"),
        ("SIDE-EFFECTS", 12, 3, None, ""),
    ],
)
def test_items_values_and_range(code: str, items: int, highest: int, maximum: int | None, loinc: str) -> None:
    shipped = instrument(code)
    assert len(shipped.items) == items
    assert {item.values for item in shipped.items} == {frozenset(range(highest + 1))}
    most = scored(code, {item.code: highest for item in shipped.items})
    assert (most.complete, most.score) == (True, maximum)
    assert rows()[code]["loinc"] == loinc


def test_totals_and_item_9_have_their_loinc() -> None:
    assert {code: rows()[code]["total_loinc"] for code in ("PHQ-9", "GAD-7", "PCL-5", "NRS")} == {
        "PHQ-9": "44261-6",
        "GAD-7": "70274-6",
        "PCL-5": "101697-1",
        "NRS": "72514-3",
    }
    assert rows()["PHQ-9"]["items"][8]["loinc"] == "44260-8"


BANDS = {
    "PHQ-9": {0: "minimal", 4: "minimal", 5: "mild", 9: "mild", 10: "moderate", 14: "moderate",
              15: "moderately_severe", 19: "moderately_severe", 20: "severe", 27: "severe"},
    "GAD-7": {0: "minimal", 4: "minimal", 5: "mild", 9: "mild", 10: "moderate", 14: "moderate",
              15: "severe", 21: "severe"},
    "NRS": {0: "none", 1: "mild", 3: "mild", 4: "moderate", 6: "moderate", 7: "severe", 10: "severe"},
    "PCL-5": {0: "below_cut_point", 30: "below_cut_point", 31: "cut_point_range", 33: "cut_point_range",
              34: "above_cut_point", 80: "above_cut_point"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "total", "band"),
    [(code, total, band) for code, each in BANDS.items() for total, band in each.items()],
)
def test_bands_begin_where_published(code: str, total: int, band: str) -> None:
    result = scored(code, answers(code, total))
    assert (result.score, result.band, result.complete) == (total, band, True)


@pytest.mark.parametrize("value", [1, 2, 3])
def test_item_9_opens_an_alarm(value: int) -> None:
    assert opened(scored("PHQ-9", answers("PHQ-9", 17, i9=value)), Opens.ALARM) == {("9", "positive")}


def test_item_9_at_zero_opens_none_however_high_the_total() -> None:
    assert opened(scored("PHQ-9", answers("PHQ-9", 24, i9=0)), Opens.ALARM) == set()


def test_item_9_counts_in_incomplete_answers_too() -> None:
    result = scored("PHQ-9", {"9": 1})
    assert (result.complete, result.score, result.band) == (False, None, "")
    assert result.missing == tuple("12345678")
    assert opened(result, Opens.ALARM) == {("9", "positive")}


@pytest.mark.parametrize(
    ("given", "band", "alarms"),
    [
        ({"1": 0, "2": 0, "3": 0, "4": 0}, "negative", set()),
        ({"1": 1, "2": 0, "3": 0, "4": 0, "5": 0}, "positive", {("1", "positive")}),
        ({"1": 0, "2": 0, "3": 0, "4": 1, "5": 0}, "positive", {("4", "positive")}),
        ({"1": 0, "2": 0, "3": 1, "4": 0, "5": 1}, "acute_positive", {("3", "positive"), ("5", "acute")}),
        ({"1": 1, "2": 0, "3": 0, "4": 0}, "", {("1", "positive")}),
        ({"3": 1}, "", {("3", "positive")}),
    ],
)
def test_asq_any_yes_is_positive_and_acuity_is_acute(
    given: dict[str, int], band: str, alarms: set[tuple[str, str]]
) -> None:
    result = scored("ASQ", given)
    assert (result.score, result.band) == (None, band)
    assert opened(result, Opens.ALARM) == alarms
    assert result.complete == (band != "")


def test_asq_asks_for_acuity_only_after_a_yes_and_an_unanswered_one_needs_a_review() -> None:
    assert scored("ASQ", {"1": 0, "2": 0, "3": 0, "4": 0}).missing == ()
    assert scored("ASQ", {"1": 0, "2": 1, "3": 0, "4": 0}).missing == ("5",)
    refused = scored("ASQ", {"1": 0, "2": 0})
    assert refused.missing == ("3", "4")
    assert opened(refused, Opens.REVIEW) == {("3", ""), ("4", "")}


def test_a_severe_side_effect_needs_a_review_and_has_no_total() -> None:
    items = {item.code: 0 for item in instrument("SIDE-EFFECTS").items}
    calm = scored("SIDE-EFFECTS", {**items, "nausea": 2})
    severe = scored("SIDE-EFFECTS", {**items, "nausea": 3, "agitation": 3})
    assert (calm.findings, calm.score, calm.band) == ((), None, "")
    assert opened(severe, Opens.REVIEW) == {("nausea", "severe"), ("agitation", "severe")}
    assert opened(severe, Opens.ALARM) == set()


@given(st.sampled_from(SUMMED), st.data())
def test_the_total_is_the_sum_and_missing_items_are_never_imputed(code: str, data: st.DataObject) -> None:
    """Against an oracle that counts on its fingers."""
    items = instrument(code).items
    given = {
        item.code: value
        for item in items
        if (value := data.draw(st.none() | st.sampled_from(sorted(item.values)))) is not None
    }
    result = scored(code, given)
    if len(given) < len(items):
        assert (result.score, result.band, result.complete) == (None, "", False)
        assert set(result.missing) == {item.code for item in items} - set(given)
        return
    total = 0
    for value in given.values():
        for _ in range(value):
            total += 1
    assert result.score == total
    starts = sorted((t.value, t.code) for t in thresholds(code) if t.kind == Kind.BAND)
    oracle = starts[-1][1]
    for (low, name), (high, _next) in pairwise(starts):
        if low <= total < high:
            oracle = name
    assert result.band == oracle == band_of(total, thresholds(code))


@pytest.mark.parametrize(
    ("given", "pointer", "code"),
    [
        ({"10": 1}, "/answers/10", "unknown_item"),
        ({"1": 4}, "/answers/1", "out_of_range"),
        ({"1": -1}, "/answers/1", "out_of_range"),
        ({"1": True}, "/answers/1", "not_a_whole_number"),
        ({"1": 1.0}, "/answers/1", "not_a_whole_number"),
        ({"1": "1"}, "/answers/1", "not_a_whole_number"),
        ({"a/b": 1}, "/answers/a~1b", "unknown_item"),
        ({}, "/answers", "no_answers"),
        ({"1": None, "2": None}, "/answers", "no_answers"),
    ],
)
def test_answers_that_the_questionnaire_does_not_have(
    given: dict[str, object], pointer: str, code: str
) -> None:
    with pytest.raises(InvalidAnswers) as refused:
        instrument("PHQ-9").read(given)
    assert [(error.pointer, error.code) for error in refused.value.errors] == [(pointer, code)]


def test_null_is_not_answered_and_the_order_is_the_questionnaires() -> None:
    assert instrument("PHQ-9").read({"3": 1, "1": 2, "2": None}) == {"1": 2, "3": 1}


def test_every_text_is_there_in_both_languages_and_every_number_has_a_source() -> None:
    for row in rows().values():
        for words in [*row["items"], *(option for scale in row["scales"].values() for option in scale)]:
            assert words["en"], row["code"]
            assert words["es"], row["code"]
        assert set(row["texts"]) == {"en", "es"}
        assert row["licence"]
        assert row["mark"] in "SKD"
        for number in row["thresholds"]:
            assert number["source"], number
            assert number["mark"] in "SKD"


def test_nothing_ships_whose_licence_forbids_it() -> None:
    assert set(rows()) == {"PHQ-9", "GAD-7", "NRS", "ASQ", "PCL-5", "SIDE-EFFECTS"}

"""What texts from patients mean, in both languages and however they are written."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.domain.replies import (
    Ask,
    AskedVisit,
    Intent,
    Standing,
    answers_about,
    classify,
    may_ask_to_stop,
    speaks_of_crisis,
    words_of,
)
from patients.domain.reports import Verdict, verdict

STOP_WORDS = (
    "stop", "stopall", "quit", "end", "revoke", "opt out", "optout", "cancel", "unsubscribe",
    "alto", "baja", "cancelar", "parar", "pare", "basta", "salir", "desuscribir",
)  # fmt: skip
ROWS = json.loads(Path("patients/catalogue/crisis_words.json").read_text(encoding="utf-8"))
PHRASES = [row["phrase"] for row in ROWS]


@pytest.mark.parametrize(
    ("body", "intent"),
    [
        ("C", Intent.CONFIRM),
        (" c. ", Intent.CONFIRM),
        ("¡Sí, C!", Intent.CONFIRM),
        ("C 👍🏽", Intent.CONFIRM),
        ("Ｃ", Intent.CONFIRM),  # noqa: RUF001 - full width, as some keyboards write
        ('"C"', Intent.CONFIRM),
        ("Reply C", Intent.CONFIRM),
        ("c please", Intent.CONFIRM),
        ("Yes", Intent.CONFIRM),
        ("SÍ gracias", Intent.CONFIRM),
        ("Confirmo", Intent.CONFIRM),
        ("CONFIRMAR", Intent.CONFIRM),
        ("yes, confirmed, thank you", Intent.CONFIRM),
        ("R", Intent.MOVE),
        ("r!", Intent.MOVE),
        ("Reschedule please", Intent.MOVE),
        ("si, cambiar", Intent.MOVE),
        ("Reprogramar por favor", Intent.MOVE),
        ("STOP", Intent.STOP),
        ("s t o p", Intent.OTHER),
        ("Stop.", Intent.STOP),
        ("stop stop STOP!!", Intent.STOP),
        ("Please stop", Intent.STOP),
        ("OPT-OUT", Intent.STOP),
        ("Opt  out", Intent.STOP),
        ("opt me out please", Intent.STOP),
        ("CANCEL", Intent.STOP),
        ("C, stop", Intent.STOP),
        ("yes cancel", Intent.STOP),
        ("No más mensajes", Intent.STOP),
        ("Quiero darme de baja", Intent.STOP),
        ("would you stop texting my mother", Intent.STOP),
        ("I'd like to unsubscribe", Intent.STOP),
        ("PARA", Intent.STOP),
        ("START", Intent.START),
        ("unstop", Intent.START),
        ("Alta por favor", Intent.START),
        ("HELP", Intent.HELP),
        ("¿Ayuda?", Intent.HELP),
        ("info", Intent.HELP),
        ("help me", Intent.OTHER),
        ("", Intent.OTHER),
        ("👍", Intent.OTHER),
        ("...", Intent.OTHER),
        ("ok thanks", Intent.OTHER),
        ("C R", Intent.OTHER),
        ("No", Intent.OTHER),
        ("I need to cancel my appointment", Intent.OTHER),
        ("can't stop vomiting", Intent.OTHER),
        ("how do I stop these headaches", Intent.OTHER),
        ("para la cita del lunes", Intent.OTHER),
        ("presión baja hoy", Intent.OTHER),
        ("at the end of the day?", Intent.OTHER),
        ("Can I come at 9?", Intent.OTHER),
    ],
)
def test_what_a_text_means(body: str, intent: Intent) -> None:
    assert classify(body).intent == intent


def test_a_bare_yes_is_told_from_c() -> None:
    assert classify("Sí").bare_yes
    assert not classify("Sí, C").bare_yes
    assert not classify("yes confirm").bare_yes


@pytest.mark.parametrize("body", ["yes", "Sí!", "yes please"])
def test_a_yes_of_somebody_who_opted_out_is_start(body: str) -> None:
    assert classify(body, opted_out=True).intent == Intent.START


def test_c_of_somebody_who_opted_out_still_confirms() -> None:
    assert classify("C", opted_out=True).intent == Intent.CONFIRM


decoration = st.text(alphabet=" .,!?¡¿*_-\"'()\n\t👍🙏❤️✋", max_size=6)
courtesy = st.sampled_from(["", "please", "por favor", "gracias", "thank you", "now", "ya", "me"])
cases = st.sampled_from([str.lower, str.upper, str.title, str.swapcase])
accents = st.sampled_from(["", "\u0301", "\u0303"])


@given(
    words=st.lists(st.sampled_from(STOP_WORDS), min_size=1, max_size=3),
    before=courtesy,
    after=courtesy,
    around=st.lists(decoration, min_size=6, max_size=6),
    case=cases,
    accent=accents,
    opted_out=st.booleans(),
)
def test_no_stop_word_is_ever_missed(
    words: list[str], before: str, after: str, around: list[str], case: object, accent: str, opted_out: bool
) -> None:
    assert callable(case)
    parts = [before, *(case(word) + accent for word in words), after]
    body = "".join(f"{fringe} {part} " for fringe, part in zip(around, parts, strict=False))
    assert classify(body, opted_out=opted_out).intent == Intent.STOP


@given(st.lists(st.sampled_from([*STOP_WORDS, "c", "r", "yes", "si", "help", "start", "please"]), min_size=1))
def test_among_commands_stop_always_wins(words: list[str]) -> None:
    said = " ".join(words)
    if set(words) & set(STOP_WORDS):
        assert classify(said).intent == Intent.STOP
    else:
        assert classify(said).intent != Intent.STOP


@given(st.text(max_size=200))
def test_any_text_means_something_and_its_words_are_plain(body: str) -> None:
    assert classify(body).intent in Intent
    assert all(word.isascii() and word.isalnum() and word == word.lower() for word in words_of(body))


@pytest.mark.parametrize(
    "body",
    [
        "I want to die",
        "i can't go on",
        "I can’t breathe",  # noqa: RUF001 - as phones write it
        "thinking about suicide",
        "SUICIDAL",
        "Quiero   morirme",
        "ya no puedo más",
        "me duele: dolor en el pecho",
        "Help me please",
        "ayúdame",
        "call 911",
        "stop texting, I want to end my life",
    ],
)
def test_a_crisis_is_heard_in_both_languages(body: str) -> None:
    assert speaks_of_crisis(body, PHRASES)


@pytest.mark.parametrize(
    "body", ["C", "Can I park there?", "I died laughing", "my number ends in 9113", "gracias", "", "HELP"]
)
def test_what_is_no_crisis(body: str) -> None:
    assert not speaks_of_crisis(body, PHRASES)


def test_every_crisis_phrase_is_found_by_itself_and_says_where_it_comes_from() -> None:
    assert len({(row["phrase"], row["language"]) for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert speaks_of_crisis(f"Hi! {row['phrase'].rstrip('*').upper()}", PHRASES), row
        assert (bool(row["source"]), row["mark"], row["language"] in {"en", "es"}) == (True, "D", True)


def test_a_stop_word_in_free_text_is_pointed_out() -> None:
    assert may_ask_to_stop("could you cancel my visit")
    assert not may_ask_to_stop("could you move my visit")


def visit(patient_id: int, standing: Standing) -> AskedVisit:
    """A visit of this patient."""
    return AskedVisit(
        ask=Ask(patient_id=patient_id, visit_id=10 * patient_id, plan_version=1), standing=standing
    )


def test_an_answer_is_about_the_latest_asked_visit_of_one_patient() -> None:
    open_, confirmed = Standing.OPEN, Standing.CONFIRMED
    first, second = visit(1, open_), visit(1, open_)
    assert answers_about([first, second], frozenset({open_})) is first
    assert answers_about([visit(2, confirmed), first], frozenset({open_})) is first
    assert answers_about([visit(2, open_), first], frozenset({open_})) is None
    assert answers_about([], frozenset({open_})) is None


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], None),
        (["queued", "sending", "sent"], None),
        (["delivered", "sent", "queued"], Verdict.DELIVERED),
        (["undelivered", "sent"], Verdict.FAILED),
        (["failed"], Verdict.FAILED),
        (["undelivered", "delivered"], Verdict.DELIVERED),
        (["read"], Verdict.DELIVERED),
    ],
)
def test_the_final_word_counts_in_any_order(statuses: list[str], expected: Verdict | None) -> None:
    assert verdict(statuses) == expected
    assert verdict(reversed(statuses)) == expected

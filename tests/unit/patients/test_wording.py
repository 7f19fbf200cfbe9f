"""The shipped templates say nothing they must not; the linter would notice if they did."""

import json
from datetime import date, datetime
from pathlib import Path
from string import Template
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patients.domain import gsm7
from patients.domain.rendering import CannotRender, Facts, Words, clock_words, readable_phone, render
from patients.domain.wording import OPT_OUT, faults, revealing_words

DENVER, LOS_ANGELES = ZoneInfo("America/Denver"), ZoneInfo("America/Los_Angeles")
TEMPLATES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "patients/catalogue/templates.json").read_text(encoding="utf-8")
)
LONGEST_SITE = "Westminster & Northglenn Office, Suite 4"
"""Forty characters: what Site.discreet_name holds."""


def named(template: dict[str, Any]) -> str:
    """How a test of this template is called."""
    return f"{template['kind']}-{template['channel']}-{template['language']}"


def facts(**changes: Any) -> Facts:
    """Tuesday 2027-01-05, 09:00 in Denver."""
    fields: dict[str, Any] = {
        "name": "Ana",
        "site": "Cedar Street Office",
        "phone": "+13035550100",
        "moment": datetime.fromisoformat("2027-01-05T16:00:00+00:00"),
        "zone": DENVER,
        "home": DENVER,
    }
    return Facts(**fields | changes)


@pytest.mark.parametrize("template", TEMPLATES, ids=named)
def test_every_shipped_template_passes(template: dict[str, Any]) -> None:
    assert (
        faults(channel=template["channel"], subject=template.get("subject", ""), body=template["body"]) == []
    )


@pytest.mark.parametrize("template", [row for row in TEMPLATES if row["channel"] == "sms"], ids=named)
def test_every_shipped_text_fits_one_sms_uncut(template: dict[str, Any]) -> None:
    wednesday = datetime.fromisoformat("2027-12-29T19:30:00+00:00")
    longest = facts(site=LONGEST_SITE, moment=wednesday, zone=LOS_ANGELES)
    text = render(
        Words(subject="", body=template["body"]), longest, channel="sms", language=template["language"]
    )
    assert gsm7.places(text.body) <= gsm7.SINGLE_SMS
    assert LONGEST_SITE in text.body
    assert OPT_OUT in text.body


def test_every_kind_is_worded_for_both_channels_and_languages() -> None:
    kinds = {row["kind"] for row in TEMPLATES}
    for kind in kinds:
        worded = {(row["channel"], row["language"]) for row in TEMPLATES if row["kind"] == kind}
        assert worded == {(channel, language) for channel in ("email", "sms") for language in ("en", "es")}


@pytest.mark.parametrize(
    "text",
    [
        "Your infusion is tomorrow",
        "KETAMINE",
        "ketamina",
        "su infusión",
        "Infusiones",
        "Denver Pain Center",
        "Centro del Dolor",
        "for your depression",
        "depresión",
        "PHQ-9 score",
        "your gad-7",
        "puntuación",
        "psychiatry",
        "Clínica de Psiquiatría",
        "Mental Health",
        "salud mental",
        "Spravato",
        "take your sertraline",
        "anti-depressant",
        "neuropathic",
        "NEUROPATÍA",
        "migraña",
        "ansiedad",
        "suicidal",
        "dosis",
        "esk\N{COMBINING ACUTE ACCENT}etamine",
        "treatment",
        "tratamiento",
    ],
)
def test_words_that_tell_what_is_treated_are_found(text: str) -> None:
    assert revealing_words(text)


@pytest.mark.parametrize(
    "text",
    [
        "Cedar Street Office",
        "Dolores Park Office",
        "Painter Building",
        "Moody Street",
        "We will paint the entrance",
        "call 988 in a crisis",
        "food and drink",
        "Siga sus instrucciones",
        "inmigrante",
    ],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert revealing_words(text) == []


@pytest.mark.parametrize(
    ("channel", "subject", "body", "says"),
    [
        ("sms", "", "${site}: ${when}", "opt out"),
        ("sms", "", "${site}: nonstop STOPPING", "opt out"),
        ("sms", "", "mañana á STOP", "unaccented"),
        ("sms", "", "${name}, STOP", "name"),
        ("sms", "Hi", "STOP", "no subject"),
        ("email", "", "Hello", "needs a subject"),
        ("email", "Hi", " ", "empty"),
        ("email", "Hi", "${dose}", "dose"),
        ("email", "Hi", "costs $5", "$$"),
        ("email", "a\nb", "Hello", "one line"),
        ("email", "Your infusion", "Hello", "infusion"),
    ],
)
def test_each_fault_is_named(channel: str, subject: str, body: str, says: str) -> None:
    assert any(says in fault for fault in faults(channel=channel, subject=subject, body=body))


class TestRendering:
    """Words people say."""

    @pytest.mark.parametrize(
        ("channel", "language", "when"),
        [
            ("email", "en", "Tuesday, January 5 at 9:00 AM"),
            ("email", "es", "martes 5 de enero a las 9:00 am"),
            ("sms", "en", "Tue, Jan 5, 9:00 AM"),
            ("sms", "es", "mar 5 ene, 9:00 am"),
        ],
    )
    def test_when(self, channel: str, language: str, when: str) -> None:
        words = Words(subject="s", body="${when}")
        assert render(words, facts(), channel=channel, language=language).body == when

    def test_another_zone_is_spelt_out(self) -> None:
        words = Words(subject="", body="${time}")
        assert render(words, facts(home=LOS_ANGELES), channel="sms", language="en").body == "9:00 AM (MST)"

    def test_one_o_clock_is_singular_in_spanish(self) -> None:
        words = Words(subject="s", body="${when}")
        one = facts(moment=datetime.fromisoformat("2027-01-05T20:15:00+00:00"))
        assert render(words, one, channel="email", language="es").body.endswith("a la 1:15 pm")

    @pytest.mark.parametrize(
        ("hour", "words"), [(0, "12:05 AM"), (11, "11:05 AM"), (12, "12:05 PM"), (13, "1:05 PM")]
    )
    def test_noon_and_midnight(self, hour: int, words: str) -> None:
        assert clock_words(datetime(2027, 1, 5, hour, 5, tzinfo=DENVER), language="en") == words

    def test_a_day_alone_has_no_time(self) -> None:
        assert (
            render(
                Words(subject="", body="by ${day}"),
                facts(moment=date(2027, 1, 11)),
                channel="sms",
                language="en",
            ).body
            == "by Mon, Jan 11"
        )
        with pytest.raises(CannotRender, match="no_moment"):
            render(
                Words(subject="", body="${time}"),
                facts(moment=date(2027, 1, 11)),
                channel="sms",
                language="en",
            )

    def test_a_long_site_name_is_cut_so_that_one_sms_is_enough(self) -> None:
        body = "${site}: " + "x" * 140 + " STOP"
        text = render(Words(subject="", body=body), facts(), channel="sms", language="en").body
        assert gsm7.places(text) == gsm7.SINGLE_SMS
        assert text.startswith("Cedar Street.: ")

    def test_what_no_cutting_helps_is_refused(self) -> None:
        with pytest.raises(CannotRender, match="too_long"):
            render(Words(subject="", body="${site} " + "x" * 160), facts(), channel="sms", language="en")

    def test_accents_become_plain_letters_in_a_text_only(self) -> None:
        words = Words(subject="s", body="${site}")
        assert render(words, facts(site="Café Álamo"), channel="sms", language="es").body == "Café Alamo"
        assert render(words, facts(site="Café Álamo"), channel="email", language="es").body == "Café Álamo"

    def test_a_subject_is_one_line(self) -> None:
        words = Words(subject="${name}", body="b")
        assert (
            render(words, facts(name="Ana\r\nBcc: x"), channel="email", language="en").subject == "Ana Bcc: x"
        )

    def test_a_revealing_site_name_is_refused(self) -> None:
        with pytest.raises(CannotRender, match="revealing"):
            render(
                Words(subject="s", body="${site}"), facts(site="Pain Center"), channel="email", language="en"
            )

    def test_a_patient_called_dolor_is_greeted(self) -> None:
        words = Words(subject="s", body="${name}")
        assert render(words, facts(name="Dolor"), channel="email", language="en").body == "Dolor"

    @pytest.mark.parametrize("body", ["${nothing}", "$ 5"])
    def test_a_template_that_cannot_be_filled_in(self, body: str) -> None:
        with pytest.raises(CannotRender, match="bad_template"):
            render(Words(subject="s", body=body), facts(), channel="email", language="en")

    @pytest.mark.parametrize(
        ("number", "written"),
        [
            ("+13035550100", "(303) 555-0100"),
            ("+34612345678", "+34 612 34 56 78"),
            ("none", "none"),
            ("", ""),
        ],
    )
    def test_phones(self, number: str, written: str) -> None:
        assert readable_phone(number) == written


def test_shipped_templates_use_only_what_they_are_given() -> None:
    used = {name for row in TEMPLATES for name in Template(row["body"]).get_identifiers()}
    assert used <= {"name", "site", "when", "day", "time", "phone"}

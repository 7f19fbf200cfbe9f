"""The shipped templates say nothing they must not; the linter would notice if they did."""

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from string import Template
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patients.domain import gsm7
from patients.domain.rendering import CannotRender, Facts, Words, clock_words, readable_phone, render, uses
from patients.domain.wording import OPT_OUT, faults, revealing_words

DENVER, LOS_ANGELES = ZoneInfo("America/Denver"), ZoneInfo("America/Los_Angeles")
TEMPLATES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "patients/catalogue/templates.json").read_text(encoding="utf-8")
)
LONGEST_SITE = "Westminster & Northglenn Office, Suite 4"
"""Forty characters: what Site.discreet_name holds."""
REALISTIC_SITE = "Westminster & Northglenn Rooms"
LINK = "https://visits.northglenn-rooms.example/p/" + "a" * 19 + "/"
MONTHS = [datetime(2027, month, 22, 20, 30, tzinfo=UTC) for month in range(1, 13)]
"""12:30 PM in Los Angeles, or 1:30: with the date in every month, and all weekdays among them."""


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
    given = {name: template.get(name, "") for name in ("kind", "channel", "subject", "body")}
    assert faults(**given) == []


TEXTS = [row for row in TEMPLATES if row["channel"] == "sms"]


@pytest.mark.parametrize("template", TEXTS, ids=named)
@pytest.mark.parametrize("site", [REALISTIC_SITE, LONGEST_SITE], ids=["realistic", "longest"])
def test_every_shipped_text_fits_one_sms(template: dict[str, Any], site: str) -> None:
    assert (len(LINK), len(REALISTIC_SITE)) == (62, 30)
    words = Words(subject="", body=template["body"])
    for moment in MONTHS:
        longest = facts(site=site, moment=moment, zone=LOS_ANGELES, link=LINK, visits=(moment,) * 30)
        text = render(words, longest, channel="sms", language=template["language"]).body
        assert gsm7.places(text) <= gsm7.SINGLE_SMS
        assert text.startswith(site[:12])  # what is left of it still says who writes
        assert (LINK in text) == uses(words, "link")
        assert (OPT_OUT in text) or template["kind"].startswith("reply_")


def test_only_the_name_of_the_site_is_cut() -> None:
    words = Words(subject="", body="${site}: " + "x" * 70 + " ${link} STOP")
    text = render(words, facts(site=REALISTIC_SITE, link=LINK), channel="sms", language="en").body
    assert gsm7.places(text) == gsm7.SINGLE_SMS
    assert text.endswith("x" * 70 + f" {LINK} STOP")
    assert text.startswith("Westminster & North.: ")


def test_a_link_that_is_not_there_is_not_left_out_silently() -> None:
    with pytest.raises(CannotRender, match="no_link"):
        render(Words(subject="", body="${link}"), facts(), channel="sms", language="en")


def test_all_dates_of_a_course_are_listed() -> None:
    visits = tuple(datetime(2027, 1, day, 16, tzinfo=UTC) for day in (4, 6))
    words = Words(subject="${count}", body="${dates}")
    filled = render(words, facts(visits=visits), channel="email", language="en")
    assert filled.subject == "2"
    assert filled.body == "- Monday, January 4 at 9:00 AM\n- Wednesday, January 6 at 9:00 AM"


@pytest.mark.parametrize("row", [row for row in TEMPLATES if "${count}" in row["body"]], ids=named)
def test_a_number_is_right_also_where_it_is_one(row: dict[str, Any]) -> None:
    assert not re.search(r"\$\{count\} (?!(of your|de sus)\b)", row["body"]), "1 visits"


def test_every_kind_is_worded_for_its_channels_and_both_languages() -> None:
    for kind in {row["kind"] for row in TEMPLATES}:
        worded = {(row["channel"], row["language"]) for row in TEMPLATES if row["kind"] == kind}
        channels = ("sms",) if kind.startswith("reply_") else ("email", "sms")
        assert worded == {(channel, language) for channel in channels for language in ("en", "es")}


KINDS = {
    "confirmation", "course_confirmation", "preparation", "confirm_request", "day_before", "hours_before",
    "cancellation", "course_cancellation", "check_in", "check_in_reminder", "waitlist_offer",
    "waitlist_gone", "reply_confirmed", "reply_move", "reply_stopped", "reply_started", "reply_help",
    "reply_received",
}  # fmt: skip


def test_every_kind_that_the_code_sends_is_worded() -> None:
    assert {row["kind"] for row in TEMPLATES} == KINDS


@pytest.mark.parametrize("kind", ["check_in", "check_in_reminder", "reply_help", "reply_received"])
def test_who_is_asked_how_they_are_or_writes_freely_reads_whom_to_call(kind: str) -> None:
    """Source: DOMAIN section 4. A text that asks has its page behind the link say it."""
    for row in TEMPLATES:
        if row["kind"] == kind and (row["channel"] == "email" or kind.startswith("reply_")):
            assert "911" in row["body"]
            assert "988" in row["body"]


@pytest.mark.parametrize("row", [row for row in TEMPLATES if row["kind"] == "confirm_request"], ids=named)
def test_whoever_is_asked_to_confirm_learns_how(row: dict[str, Any]) -> None:
    assert "${link}" in row["body"]
    if row["channel"] == "sms":
        assert {"C", "R", "STOP"} <= set(re.findall(r"[A-Z]+", row["body"]))


def test_the_last_text_to_who_opts_out_says_how_to_come_back() -> None:
    [fault] = faults(kind="reply_stopped", channel="sms", subject="", body="${site}: no more texts.")
    assert "START" in fault
    assert faults(kind="reply_stopped", channel="sms", subject="", body="Reply START to return.") == []


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
    assert used <= {"name", "site", "when", "day", "time", "phone", "link", "dates", "count"}

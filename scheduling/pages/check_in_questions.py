"""The questions of a contact as its pages show them: in order, in the patient's language, with what was
answered. A follow-up question is there once an answer calls for it."""

from dataclasses import dataclass

from django.http import QueryDict

from scheduling.services.check_in_drafts import Contact

SEPARATOR = "/"


@dataclass(frozen=True, slots=True)
class Option:
    """One answer to choose from."""

    value: int
    text: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Question:
    """One question. ``number`` counts from 1 over all questionnaires; ``name`` is that of its form field."""

    number: int
    instrument: str
    item: str
    stem: str
    text: str
    options: tuple[Option, ...]

    @property
    def name(self) -> str:
        """``PHQ-9/3``: only ever in the body of a form."""
        return f"{self.instrument}{SEPARATOR}{self.item}"

    @property
    def first(self) -> str:
        """The id of its first choice, for links from the summary of what is missing."""
        return f"q{self.number}-{self.options[0].value}"

    @property
    def chosen(self) -> str:
        """The answer in words; empty without one."""
        return next((each.text for each in self.options if each.chosen), "")

    @property
    def is_scale(self) -> bool:
        """Whether its answers are mostly bare numbers, to stand side by side."""
        return sum(each.text.isdigit() for each in self.options) > len(self.options) / 2


def questions_of(contact: Contact, *, language: str) -> list[Question]:
    """What is asked, given what was answered so far."""
    found: list[Question] = []
    for instrument in contact.asked:
        given = contact.answers.get(instrument.code, {})
        asked = {item.code for item in instrument.rules.items if item.is_asked(given)}
        for item in instrument.items:
            if item["code"] in asked:
                options = tuple(
                    Option(option["value"], option[language], given.get(item["code"]) == option["value"])
                    for option in instrument.scales[item["scale"]]
                )
                stem = instrument.texts[language]["stem"]
                found.append(
                    Question(len(found) + 1, instrument.code, item["code"], stem, item[language], options)
                )
    return found


def read_form(form: QueryDict, questions: list[Question]) -> dict[str, dict[str, int | None]]:
    """The answers that a form gives to these questions. A choice once made cannot be unmade in a form, so
    what it leaves open is left as it is: another window may have answered it."""
    given: dict[str, dict[str, int | None]] = {}
    for each in questions:
        said = form.get(each.name, "")
        if said in {str(option.value) for option in each.options}:
            given.setdefault(each.instrument, {})[each.item] = int(said)
    return given

"""Both languages of every sentence: the same values, nothing that reveals what is treated; and every
sentence that a page or template asks for is there."""

import re
from pathlib import Path
from string import Formatter

import pytest

from patients.domain.wording import revealing_words
from patients.pages.words import COMMON, LANGUAGES, Words
from scheduling.pages.words import WORDS

ROOT = Path(__file__).resolve().parents[3]
ALL: Words = {**COMMON, **WORDS}
CODE = [*(ROOT / "patients/pages").glob("*.py"), *(ROOT / "scheduling/pages").glob("*.py")]
TEMPLATES = [
    *(ROOT / "patients/templates/pages").glob("*.html"),
    *(ROOT / "scheduling/templates/pages").glob("*.html"),
]


def values_in(sentence: str) -> set[str]:
    """The names in braces."""
    return {name for _text, name, _spec, _conversion in Formatter().parse(sentence) if name}


def test_no_sentence_is_written_twice() -> None:
    assert set(COMMON) & set(WORDS) == set()


@pytest.mark.parametrize("key", ALL)
def test_both_languages_say_the_same(key: str) -> None:
    sentences = ALL[key]
    assert tuple(sentences) == LANGUAGES
    assert all(each == each.strip() and each for each in sentences.values())
    english, spanish = sentences.values()
    assert values_in(english) == values_in(spanish)
    assert len(COMMON["months"]["en"].split()) == len(COMMON["months"]["es"].split()) == 12


def test_nothing_reveals_what_is_treated() -> None:
    """How to prepare is read after the date of birth only, and may speak of medicines."""
    open_to_all = {key: each for key, each in ALL.items() if not key.startswith("prepare_")}
    said = {key: revealing_words("\n".join(each.values())) for key, each in open_to_all.items()}
    assert {key: found for key, found in said.items() if found} == {}


def test_templates_ask_for_sentences_that_exist() -> None:
    asked = {
        (path.name, key) for path in TEMPLATES for key in re.findall(r'{% say "(\w+)"', path.read_text())
    }
    assert len(asked) > 60
    assert {(name, key) for name, key in asked if key not in ALL} == set()


def test_no_sentence_is_left_over() -> None:
    texts = "".join(path.read_text() for path in [*CODE, *TEMPLATES] if not path.name.endswith("words.py"))
    made = re.compile(r"(state|told|part|channel|gone|too_many|stale_form|busy|check_in_(done|over))_")
    assert {key for key in ALL if f'"{key}"' not in texts and not made.match(key)} == set()

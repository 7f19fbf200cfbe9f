"""Reading admin pages as a person does: words, messages, and the hidden marks that forms send back."""

import html
import re
from typing import Any


def words(response: Any) -> str:
    """The page as text, so that a test reads what a person reads."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def said(response: Any) -> list[str]:
    """The messages that the next page shows."""
    return [str(message) for message in response.context["messages"]]


def stamp(response: Any) -> str:
    """What a form page says about the state of the record it shows."""
    found = re.search(r'name="stamp" value="([^"]*)"', response.content.decode())
    assert found is not None, "the page has no stamp"
    return found[1]


def version(response: Any) -> str:
    """The version that a page of our own shows."""
    found = re.search(r'name="version" value="(\d+)"', response.content.decode())
    assert found is not None, "the page has no version"
    return found[1]

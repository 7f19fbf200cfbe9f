"""What the templates of patient pages say: ``{% say "key" day=… %}`` looks the sentence up in the page's
words, in the patient's language. An unknown key is an error, not an empty space."""

from typing import Any

from django import template

from patients.pages.words import say as _say

register = template.Library()


@register.simple_tag(takes_context=True)
def say(context: template.Context, key: str, language: str = "", **values: Any) -> str:
    """The sentence; its values are escaped with it."""
    texts = {name: str(value) for name, value in values.items()}
    return _say(context["words"], key, language or context["language"], **texts)

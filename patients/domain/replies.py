"""What a patient's text means. Commands are short and must be recognised however they are written; everything
else is for a person to read. One idea: between "stop" and another command, it is always stop.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Intent(StrEnum):
    """What the sender wants. The values are those of InboundMessage."""

    CONFIRM = "confirm"
    MOVE = "move"
    STOP = "stop"
    START = "start"
    HELP = "help"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Meaning:
    """An intent. ``bare_yes``: it confirms only if the last thing we asked was to confirm."""

    intent: Intent
    bare_yes: bool = False


_STOP = frozenset(
    (
        # Twilio's and the carriers' words (DOMAIN section 5)
        "stop", "stopall", "quit", "end", "revoke", "optout", "cancel", "unsubscribe",
        "alto", "baja", "cancelar", "cancela", "cancele", "parar", "para", "pare", "paren", "detener",
        "detenga", "basta", "terminar", "termina", "termine", "salir", "revocar",
        "desuscribir", "desuscribirme",
    )
)  # fmt: skip
_STOP_PHRASES = (
    # Nobody writes these for another reason, so they count in the middle of a sentence too.
    "unsubscribe", "stopall", "stop all", "optout", "opt out", "opt me out",
    "stop texting", "stop messaging", "stop sending", "stop these texts", "stop these messages",
    "stop the texts", "stop the messages",
    "no more texts", "no more messages", "do not text", "dont text", "leave me alone",
    "darme de baja", "dame de baja", "deme de baja", "denme de baja", "quiero la baja",
    "no mas mensajes", "no mas textos", "no me escriba", "no me escriban", "no me manden",
    "no me envien", "no envien mas", "no recibir mas", "deje de escribir", "dejen de escribir",
    "deje de escribirme", "dejen de escribirme", "dejen de mandar", "dejen de mandarme", "dejen de enviar",
    "desuscribir", "desuscribirme",
)  # fmt: skip
_START = frozenset(("start", "unstop", "subscribe", "iniciar", "comenzar", "empezar", "alta", "reanudar"))
_HELP = frozenset(("help", "info", "ayuda", "informacion"))
_CONFIRM = frozenset(
    ("c", "confirm", "confirmed", "confirmar", "confirmo", "confirma", "confirmado", "confirmada")
)
_YES = frozenset(("yes", "y", "yeah", "yep", "yup", "si", "sip", "claro"))
_MOVE = frozenset(
    (
        "r", "reschedule", "rescheduling", "resched", "move", "change",
        "cambiar", "cambio", "mover", "reprogramar", "reagendar",
    )
)  # fmt: skip
_COURTESY = frozenset(
    (
        "please", "pls", "plz", "thanks", "thank", "you", "thx", "ty", "hi", "hello", "now", "me", "all",
        "ok", "okay", "reply", "texts", "text", "messages", "messaging", "texting", "sms",
        "por", "favor", "porfavor", "gracias", "hola", "ahora", "ya", "los", "mensajes", "textos", "todo",
        "todos",
    )
)  # fmt: skip
"""Words around a command that change nothing about it."""

_NOT_WORDS = re.compile(r"[^a-z0-9]+")
_APOSTROPHES = dict.fromkeys((0x27, 0x60, 0xB4, 0x2BC, 0x2018, 0x2019))


def words_of(body: str) -> list[str]:
    """The words of a text without case, accents, punctuation and pictures: ``¡Sí, C! 👍`` is si, c."""
    plain = "".join(
        character
        for character in unicodedata.normalize("NFKD", body.translate(_APOSTROPHES).casefold())
        if not unicodedata.combining(character)
    )
    return _NOT_WORDS.sub(" ", plain).split()


def classify(body: str, *, opted_out: bool = False) -> Meaning:
    """What a text means. Whoever has opted out and writes a bare yes wants our texts again, as with Twilio.

    A text is a command when nothing but courtesy stands beside the command's words. If one of these
    words is STOP or its like, it is STOP.
    """
    words = words_of(body)
    text = f" {' '.join(words)} "
    if any(f" {phrase} " in text for phrase in _STOP_PHRASES):
        return Meaning(Intent.STOP)
    if words and _HELP.issuperset(words):  # no courtesy: "help me" is no question about our texts
        return Meaning(Intent.HELP)
    said = frozenset(words) - _COURTESY
    if said & _STOP and said <= _STOP | _START | _HELP | _CONFIRM | _YES | _MOVE:
        return Meaning(Intent.STOP)
    if said and said <= _YES:
        return Meaning(Intent.START) if opted_out else Meaning(Intent.CONFIRM, bare_yes=True)
    for known, intent in ((_CONFIRM, Intent.CONFIRM), (_MOVE, Intent.MOVE), (_START, Intent.START)):
        if said & known and said <= known | _YES:
            return Meaning(intent)
    return Meaning(Intent.OTHER)


def may_ask_to_stop(body: str) -> bool:
    """Whether a free text holds a word of the STOP family, so that the person who reads it looks for that."""
    return not _STOP.isdisjoint(words_of(body))


def speaks_of_crisis(body: str, phrases: Iterable[str]) -> bool:
    """Whether a text holds one of these phrases; one that ends in ``*`` stands for all words that
    begin so."""
    text = f" {' '.join(words_of(body))} "
    for phrase in phrases:
        wanted = " ".join(words_of(phrase))
        if wanted and f" {wanted}{'' if phrase.endswith('*') else ' '}" in text:
            return True
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A text of ours that the sender may be answering: about one plan of one visit of one patient."""

    patient_id: int
    visit_id: int
    plan_version: int


class Standing(StrEnum):
    """Where the visit is that somebody answers about."""

    OPEN = "open"
    """Still ahead at the time we asked about, and not confirmed yet."""
    CONFIRMED = "confirmed"
    """Ahead at that time, and already confirmed."""
    MOVED = "moved"
    """Ahead, but at another time than we asked about."""
    OVER = "over"
    """Past, cancelled, or the patient is here already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedVisit:
    """A visit that somebody answers about; ``context`` is what the words of a reply need."""

    ask: Ask
    standing: Standing
    context: Mapping[str, str] = field(default_factory=dict)


class Visits(Protocol):
    """What a text can do to visits; scheduling provides it (settings.VISIT_REPLIES)."""

    def asked(self, asks: Sequence[Ask], *, now: datetime) -> list[AskedVisit]:
        """Where the visits are, in the order of ``asks``."""

    def confirm(self, ask: Ask, *, now: datetime) -> Standing:
        """Confirm the visit if it still is at the time we asked about; where it is now."""

    def ask_to_move(self, ask: Ask, *, now: datetime) -> None:
        """Ask the front desk to find another time."""


def answers_about(visits: Sequence[AskedVisit], wanted: frozenset[Standing]) -> AskedVisit | None:
    """The visit that an answer is about: the latest asked of those that are as ``wanted``, if all of these
    are one patient's; None when there is none or it is unclear whose. ``visits`` are newest first."""
    fitting = [visit for visit in visits if visit.standing in wanted]
    return fitting[0] if len({visit.ask.patient_id for visit in fitting}) == 1 else None

"""What a message may say. One idea: whoever reads it over a shoulder must not learn what is treated
here, so words are refused by a list, and only a few harmless placeholders may be filled in."""

import re
import unicodedata
from string import Template

from patients.domain import gsm7

PLACEHOLDERS = frozenset({"name", "site", "when", "day", "time", "phone", "link", "dates", "count"})
SMS_PLACEHOLDERS = PLACEHOLDERS - {"name", "dates"}
"""A text is read on a locked screen: it greets nobody by name. A list of dates does not fit it."""

OPT_OUT, OPT_IN = "STOP", "START"
_REPLY = "reply_"
"""Kinds that answer a text: whoever has just written knows how to."""
_STOPPED = "reply_stopped"

_FORBIDDEN = (
    # how we treat
    "infusi*", "infund*", "drip", "goteo", "suero", "intraven*", "iv", "chair", "sillon", "ketamin*",
    "esketamin*", "ketalar", "spravato", "psychedel*", "psicodel*", "antidepres*", "dose", "doses", "dosage",
    "dosis", "prescri*", "receta", "recetas", "therap*", "terapi*", "treatment*", "tratamient*",
    "medicat*", "medicament*", "medicacion", "ssri", "snri", "maoi", "tca", "isrs", "irsn", "imao",
    # medicines by name or stem
    "sertralin*", "zoloft", "fluoxetin*", "prozac", "paroxetin*", "paxil", "citalopram*", "celexa",
    "escitalopram*", "lexapro", "fluvoxamin*", "venlafaxin*", "effexor", "desvenlafaxin*", "pristiq",
    "duloxetin*", "cymbalta", "milnacipran*", "savella", "levomilnacipran*", "amitriptylin*", "amitriptilin*",
    "nortriptylin*", "nortriptilin*", "imipramin*", "desipramin*", "doxepin*", "clomipramin*", "bupropion*",
    "wellbutrin", "mirtazapin*", "remeron", "trazodon*", "vortioxetin*", "trintellix", "vilazodon*",
    "phenelzin*", "fenelzin*", "tranylcypromin*", "tranilcipromin*", "selegilin*", "isocarboxazid*",
    "lamotrigin*", "lithium", "litio", "gabapentin*", "pregabalin*", "lyrica", "opioid*", "opiace*",
    "morphin*", "morfin*", "fentanyl*", "fentanil*", "oxycod*", "tramadol", "methadon*", "metadon*",
    "benzodiazepin*", "lorazepam", "alprazolam", "xanax", "clonazepam", "diazepam", "valium",
    # what we treat
    "pain", "pains", "painful", "dolor", "doloros*", "ache*", "depress*", "depresi*", "deprimid*", "anxi*",
    "ansi*", "ptsd", "tept", "trauma*", "suicid*", "self-harm", "autolesi*", "crps", "sdrc",
    "neuropath*", "neuropat*", "neuralg*", "nerve*", "nervio*", "fibromyalg*", "fibromialg*",
    "migrain*", "migrana*", "headache*", "cefale*",
    "arthrit*", "artrit*", "diabet*", "shingles", "herpe*", "culebrilla", "stroke*", "radiculopath*",
    "radiculopat*", "sciatic*", "ciatica", "sclerosis", "esclerosis", "bipolar*", "psychos*", "psicos*",
    "psychot*", "psicot*", "addict*", "adiccion*", "mental*",
    "mood", "moods", "symptom*", "sintoma*", "diagnos*",
    "relapse*", "recaida*", "withdrawal", "abstinencia",
    # who treats and how it is measured
    "psych*", "psiq*", "psico*", "anesth*", "anest*", "neurolog*", "specialis*", "especialis*",
    "score*", "puntaje*", "puntuacion*", "questionnaire*", "cuestionario*", "phq*", "gad", "gad7", "gad-7",
    "asq", "pcl*", "aldrete", "escort", "blood", "sangre", "urine", "orina",
)  # fmt: skip
_EXACT = frozenset(word for word in _FORBIDDEN if not word.endswith("*"))
_STEMS = tuple(word[:-1] for word in _FORBIDDEN if word.endswith("*"))
_WORD = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def revealing_words(text: str) -> list[str]:
    """The words in ``text`` that say what is treated here, in either language, however accented."""
    plain = "".join(
        character
        for character in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(character)
    )
    found = []
    for word in _WORD.findall(plain):
        parts = {word, word.replace("-", ""), *word.split("-")}
        if parts & _EXACT or any(part.startswith(_STEMS) for part in parts):
            found.append(word)
    return found


def faults(*, channel: str, subject: str, body: str, kind: str = "") -> list[str]:
    """Why these words may not be a template of this kind; empty when they may. Each is a sentence for the
    editor."""
    found = []
    allowed = SMS_PLACEHOLDERS if channel == "sms" else PLACEHOLDERS
    for label, text in (("subject", subject), ("body", body)):
        template = Template(text)
        if not template.is_valid():
            found.append(f"The {label} has a $ that begins no placeholder. Write $$ for a dollar sign.")
        unknown = sorted(set(template.get_identifiers()) - allowed)
        if unknown:
            found.append(
                f"The {label} uses {', '.join(unknown)}. What can be filled in: {', '.join(sorted(allowed))}."
            )
        if words := revealing_words(text):
            found.append(f"The {label} says {', '.join(words)}, which tells others what is treated here.")
    if not body.strip():
        found.append("The body is empty.")
    if channel == "email" and not subject.strip():
        found.append("An e-mail needs a subject.")
    if "\n" in subject or "\r" in subject:
        found.append("The subject must be one line.")
    if channel == "sms":
        found += _sms_faults(kind, subject, body)
    return found


def _sms_faults(kind: str, subject: str, body: str) -> list[str]:
    found = []
    if subject:
        found.append("A text message has no subject.")
    said = re.findall(r"[A-Z]+", body)
    if not kind.startswith(_REPLY) and OPT_OUT not in said:
        found.append(f"A text message must say how to opt out: include the word {OPT_OUT}.")
    if kind == _STOPPED and OPT_IN not in said:
        found.append(f"Whoever opts out must learn how to come back: include the word {OPT_IN}.")
    if not gsm7.is_gsm7(body):
        found.append("The body has characters that make a text message cost several: use unaccented letters.")
    return found

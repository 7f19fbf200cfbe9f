"""Every sentence of the pages that all links share, in English and Spanish side by side, so that a
translator reads one file. ``{name}`` stands for a value; a test holds both languages to the same ones.

Spanish says "usted". Nothing here names a treatment, a specialty or a condition.
"""

from collections.abc import Mapping

Words = Mapping[str, Mapping[str, str]]
"""Key -> language -> sentence."""

LANGUAGES = ("en", "es")


def say(words: Words, key: str, language: str, **values: str) -> str:
    """A sentence with its values filled in. Raises KeyError for a key nobody wrote."""
    return words[key][language].format(**values)


COMMON: Words = {
    # The frame of every page
    "skip": {"en": "Skip to the page", "es": "Ir al contenido"},
    "private": {
        "en": "This page is only for you. Please do not pass the link on.",
        "es": "Esta página es solo para usted. No comparta el enlace.",
    },
    "call_us": {"en": "Call {phone}", "es": "Llamar al {phone}"},
    "questions": {"en": "Questions?", "es": "¿Preguntas?"},
    "preferences_link": {"en": "Messages and language", "es": "Mensajes e idioma"},
    "back": {"en": "Back", "es": "Volver"},
    "emergency": {
        "en": "In an emergency call 911. In a crisis call or text 988, day or night.",
        "es": "En una emergencia llame al 911. En una crisis llame o envíe un mensaje al 988, "
        "a cualquier hora.",
    },
    # Help in a crisis; who helps is the clinic's data (CrisisContact)
    "crisis_title": {"en": "If you need help now", "es": "Si necesita ayuda ahora"},
    # Date of birth
    "birth_title": {"en": "Your date of birth", "es": "Su fecha de nacimiento"},
    "birth_why": {
        "en": "So that nobody else can change or read this, please tell us your date of birth.",
        "es": "Para que nadie más pueda leer o cambiar esto, díganos su fecha de nacimiento.",
    },
    "birth_hint": {"en": "For example: May 17, 1980", "es": "Por ejemplo: 17 de mayo de 1980"},
    "birth_day": {"en": "Day", "es": "Día"},
    "birth_month": {"en": "Month", "es": "Mes"},
    "birth_year": {"en": "Year", "es": "Año"},
    "birth_choose": {"en": "Choose", "es": "Elija"},
    "birth_go_on": {"en": "Continue", "es": "Continuar"},
    "birth_unreadable": {
        "en": "This is not a date. Choose the month, and write the day and the four digits of the year.",
        "es": "Esto no es una fecha. Elija el mes, y escriba el día y las cuatro cifras del año.",
    },
    "birth_wrong": {
        "en": "This is not the date we have. Please check it and try again.",
        "es": "No es la fecha que tenemos. Revísela e inténtelo otra vez.",
    },
    "birth_locked": {
        "en": "There were too many wrong dates, so this page is closed for an hour. Please call us instead.",
        "es": "Hubo demasiadas fechas incorrectas y esta página queda cerrada una hora. Por favor, llámenos.",
    },
    "fault_title": {"en": "There is a problem", "es": "Hay un problema"},
    "months": {
        "en": "January February March April May June July August September October November December",
        "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    },
    # Preferences
    "preferences_title": {"en": "Messages and language", "es": "Mensajes e idioma"},
    "preferences_saved": {"en": "Saved.", "es": "Guardado."},
    "channel_texts": {"en": "Text messages", "es": "Mensajes de texto"},
    "channel_texts_on": {"en": "We may text you.", "es": "Podemos enviarle mensajes de texto."},
    "channel_texts_off": {
        "en": "We do not text you. If you once texted us STOP, you also need to text us START.",
        "es": "No le enviamos mensajes de texto. Si nos respondió STOP alguna vez, también debe enviarnos "
        "START.",
    },
    "channel_texts_stop": {"en": "Stop text messages", "es": "No quiero mensajes de texto"},
    "channel_texts_start": {"en": "Send me text messages", "es": "Quiero mensajes de texto"},
    "channel_email": {"en": "E-mail", "es": "Correo electrónico"},
    "channel_email_on": {"en": "We may e-mail you.", "es": "Podemos enviarle correos."},
    "channel_email_off": {"en": "We do not e-mail you.", "es": "No le enviamos correos."},
    "channel_email_stop": {"en": "Stop e-mails", "es": "No quiero correos"},
    "channel_email_start": {"en": "Send me e-mails", "es": "Quiero correos"},
    "no_messages_note": {
        "en": "Without messages we call you instead about what matters for your appointments.",
        "es": "Si no recibe mensajes, le llamaremos por lo que sea importante para sus citas.",
    },
    "language_title": {"en": "Language", "es": "Idioma"},
    "language_now": {"en": "(now)", "es": "(actual)"},
    # Pages about no link at all
    "gone_title": {"en": "This link does not work any more", "es": "Este enlace ya no funciona"},
    "gone_text": {
        "en": "Links in our messages work for a limited time. Nothing about your appointments has changed. "
        "Open the link in our latest message, or call the office: the number is in the message.",
        "es": "Los enlaces de nuestros mensajes funcionan por un tiempo limitado. Sus citas no han cambiado. "
        "Abra el enlace del mensaje más reciente o llame a la oficina: el número está en el mensaje.",
    },
    "too_many_title": {"en": "Please wait a minute", "es": "Espere un minuto, por favor"},
    "too_many_text": {
        "en": "There were too many requests from your connection. Wait a minute, then open the link again.",
        "es": "Hubo demasiadas solicitudes desde su conexión. Espere un minuto y abra el enlace otra vez.",
    },
    "stale_form_title": {"en": "Please try once more", "es": "Inténtelo una vez más"},
    "stale_form_text": {
        "en": "Nothing was changed, because the page was open for too long or cookies are off. "
        "Open the link in our message again.",
        "es": "No se ha cambiado nada, porque la página estuvo abierta demasiado tiempo o las cookies están "
        "desactivadas. Abra de nuevo el enlace de nuestro mensaje.",
    },
    "busy_title": {"en": "Please try once more", "es": "Inténtelo una vez más"},
    "busy_text": {
        "en": "We could not do this just now, and nothing was changed. Go back and try again in a moment.",
        "es": "No pudimos hacerlo en este momento y no se ha cambiado nada. Vuelva atrás e inténtelo en un "
        "momento.",
    },
}

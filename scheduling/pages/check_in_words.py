"""Every sentence of the check-in page, in English and Spanish side by side, but for the questions, which are
the questionnaires' own. Nothing here names a treatment, a specialty or a condition, a score or a finding."""

from patients.pages.words import Words

CHECK_IN_WORDS: Words = {
    "check_in_title": {"en": "How are you?", "es": "¿Cómo está?"},
    "check_in_text": {
        "en": "We would like to hear how you are doing. It takes a few minutes, and you can stop and come "
        "back: what you answered is kept.",
        "es": "Queremos saber cómo se encuentra. Son unos minutos, y puede parar y volver: lo que haya "
        "respondido se conserva.",
    },
    "check_in_by_one": {"en": "One question at a time", "es": "Una pregunta a la vez"},
    "check_in_all": {"en": "All questions on one page", "es": "Todas las preguntas en una página"},
    "check_in_by_phone": {
        "en": "You can also answer by phone.",
        "es": "También puede responder por teléfono.",
    },
    "check_in_read_by": {
        "en": "Your care team reads the answers during office hours. Nobody reads them at once.",
        "es": "Su equipo lee las respuestas en horario de oficina. Nadie las lee de inmediato.",
    },
    "check_in_where": {"en": "Question {number} of {count}", "es": "Pregunta {number} de {count}"},
    "check_in_next": {"en": "Continue", "es": "Continuar"},
    "check_in_skip": {"en": "Leave this one out", "es": "Omitir esta pregunta"},
    "check_in_skip_rest": {
        "en": "Leave these out and continue",
        "es": "Omitir estas y continuar",
    },
    "check_in_before": {"en": "Previous question", "es": "Pregunta anterior"},
    "check_in_to_review": {"en": "See my answers", "es": "Ver mis respuestas"},
    "check_in_choose": {
        "en": "Choose an answer, or leave the question out.",
        "es": "Elija una respuesta u omita la pregunta.",
    },
    "check_in_open_ones": {
        "en": "These have no answer yet. Choose one, or leave them out.",
        "es": "Estas aún no tienen respuesta. Elija una u omítalas.",
    },
    "check_in_review_title": {"en": "Your answers", "es": "Sus respuestas"},
    "check_in_review_text": {
        "en": "Please look through them. You can change each one until you send them.",
        "es": "Revíselas. Puede cambiar cualquiera hasta enviarlas.",
    },
    "check_in_not_answered": {"en": "Not answered", "es": "Sin respuesta"},
    "check_in_change": {"en": "Change", "es": "Cambiar"},
    "check_in_change_this": {"en": "this answer: {question}", "es": "esta respuesta: {question}"},
    "check_in_send": {"en": "Send my answers", "es": "Enviar mis respuestas"},
    "check_in_nothing": {
        "en": "Nothing is answered yet. Answer at least one question.",
        "es": "Todavía no hay respuestas. Responda al menos una pregunta.",
    },
    "check_in_changed": {
        "en": "Your answers were changed in another window. Please look through them once more.",
        "es": "Sus respuestas cambiaron en otra ventana. Revíselas una vez más.",
    },
    "check_in_done_title": {"en": "Thank you", "es": "Gracias"},
    "check_in_done": {"en": "We have your answers.", "es": "Tenemos sus respuestas."},
    "check_in_nothing_else": {
        "en": "You do not need to do anything else now.",
        "es": "No necesita hacer nada más por ahora.",
    },
    "check_in_over_early_title": {"en": "It is a little early", "es": "Todavía es pronto"},
    "check_in_over_early": {
        "en": "These questions are for another day. We will send you a message when it is time.",
        "es": "Estas preguntas son para otro día. Le enviaremos un mensaje cuando llegue el momento.",
    },
    "check_in_over_title": {"en": "These questions are closed", "es": "Estas preguntas están cerradas"},
    "check_in_over": {
        "en": "Something has changed, and these questions are not needed any more. If we have new ones, we "
        "will send you a new link.",
        "es": "Algo ha cambiado y estas preguntas ya no hacen falta. Si hay otras nuevas, le enviaremos otro "
        "enlace.",
    },
    "check_in_over_begun": {
        "en": "You had begun to answer. What you wrote is kept: you can still send it to us.",
        "es": "Usted había empezado a responder. Lo que escribió se conserva: todavía puede enviárnoslo.",
    },
    # After an answer that needs a person
    "help_title": {"en": "Please get help now", "es": "Pida ayuda ahora, por favor"},
    "help_text": {
        "en": "What you answered matters to us, and you do not have to be alone with it. You can talk to "
        "somebody right now:",
        "es": "Lo que respondió nos importa, y no tiene que estar a solas con ello. Puede hablar con alguien "
        "ahora mismo:",
    },
    "help_watched": {
        "en": "Our office is open and has been told. Somebody will contact you. Do not wait for us if you "
        "are in danger.",
        "es": "Nuestra oficina está abierta y ya recibió el aviso. Alguien se comunicará con usted. Si está "
        "en peligro, no nos espere.",
    },
    "help_unwatched_until": {
        "en": "Our office is closed, and nobody is watching your answers now. It opens {when}. Do not wait "
        "for us.",
        "es": "Nuestra oficina está cerrada y nadie está viendo sus respuestas ahora. Abre {when}. No nos "
        "espere.",
    },
    "help_unwatched": {
        "en": "Our office is closed, and nobody is watching your answers now. Do not wait for us.",
        "es": "Nuestra oficina está cerrada y nadie está viendo sus respuestas ahora. No nos espere.",
    },
    "help_go_on": {"en": "Go on with the questions", "es": "Seguir con las preguntas"},
}

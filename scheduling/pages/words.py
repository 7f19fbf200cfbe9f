"""Every sentence of the pages about visits, offers, courses and check-ins, in English and Spanish side by
side. ``{name}`` stands for a value. Nothing here names a treatment, a specialty or a condition."""

from patients.pages.words import Words
from scheduling.pages.check_in_words import CHECK_IN_WORDS

WORDS: Words = {
    # A visit
    "visit_title": {"en": "Your appointment", "es": "Su cita"},
    "greeting": {"en": "Hello {name}", "es": "Hola, {name}"},
    "at_time": {"en": "{day} at {time}", "es": "{day} a las {time}"},
    "at_one": {"en": "{day} at {time}", "es": "{day} a la {time}"},
    "your_time": {
        "en": "Time at the office. Where you are it is {when}.",
        "es": "Hora de la oficina. Donde usted está es el {when}.",
    },
    "state_booked": {"en": "Not confirmed yet", "es": "Sin confirmar"},
    "state_confirmed": {"en": "Confirmed", "es": "Confirmada"},
    "state_arrived": {"en": "You are here", "es": "Usted ya está aquí"},
    "state_in_progress": {"en": "You are here", "es": "Usted ya está aquí"},
    "state_completed": {"en": "Past", "es": "Pasada"},
    "state_cancelled": {"en": "Cancelled", "es": "Cancelada"},
    "state_no_show": {"en": "Missed", "es": "No realizada"},
    "state_over": {"en": "Past", "es": "Pasada"},
    "confirm": {"en": "Yes, I will come", "es": "Sí, voy a ir"},
    "move": {"en": "Choose another time", "es": "Elegir otra hora"},
    "cancel": {"en": "Cancel the appointment", "es": "Cancelar la cita"},
    "call_me": {"en": "Ask us to call you", "es": "Pedir que le llamemos"},
    "calendar": {"en": "Add to my calendar", "es": "Añadir a mi calendario"},
    "prepare": {"en": "How to prepare", "es": "Cómo prepararse"},
    "please_call": {
        "en": "To change this appointment please call us, or ask us to call you.",
        "es": "Para cambiar esta cita, llámenos o pida que le llamemos.",
    },
    "please_call_cancel": {
        "en": "To cancel please call us, or ask us to call you.",
        "es": "Para cancelar, llámenos o pida que le llamemos.",
    },
    "cancelled_text": {
        "en": "This appointment is cancelled. To make a new one call us, or ask us to call you.",
        "es": "Esta cita está cancelada. Para pedir otra, llámenos o pida que le llamemos.",
    },
    "missed_text": {
        "en": "We missed you. To make a new appointment call us, or ask us to call you.",
        "es": "Le echamos de menos. Para pedir otra cita, llámenos o pida que le llamemos.",
    },
    "over_text": {"en": "This appointment is in the past.", "es": "Esta cita ya pasó."},
    "told_confirmed": {"en": "Thank you. We expect you.", "es": "Gracias. Le esperamos."},
    "told_moved": {"en": "Done. This is your new time.", "es": "Listo. Esta es su nueva hora."},
    "told_cancelled": {"en": "Your appointment is cancelled.", "es": "Su cita está cancelada."},
    "told_call": {
        "en": "We got it. Somebody from the office will call you.",
        "es": "Recibido. Alguien de la oficina le llamará.",
    },
    "changed_meanwhile": {
        "en": "The appointment was changed in the meantime. This is how it stands now.",
        "es": "La cita cambió mientras tanto. Así está ahora.",
    },
    "not_done": {
        "en": "That could not be done here. Please call us, or ask us to call you.",
        "es": "No se pudo hacer aquí. Llámenos o pida que le llamemos.",
    },
    # Moving it
    "move_title": {"en": "Choose another time", "es": "Elija otra hora"},
    "move_from": {"en": "Now: {when}", "es": "Ahora: {when}"},
    "office_time": {
        "en": "Times are those of the office ({zone}).",
        "es": "Las horas son las de la oficina ({zone}).",
    },
    "part_any": {"en": "Any time", "es": "Todo el día"},
    "part_morning": {"en": "Morning", "es": "Mañana"},
    "part_afternoon": {"en": "Afternoon", "es": "Tarde"},
    "parts_label": {"en": "Time of day", "es": "Parte del día"},
    "later_days": {"en": "Later days", "es": "Días siguientes"},
    "earlier_days": {"en": "From the first day", "es": "Desde el primer día"},
    "nothing_free": {
        "en": "We found no free time that fits. Ask us to call you, and we will look together.",
        "es": "No encontramos una hora libre adecuada. Pida que le llamemos y la buscaremos juntos.",
    },
    "nothing_in_part": {
        "en": "There is nothing free then. Look at the whole day.",
        "es": "No hay nada libre en esa parte del día. Vea el día completo.",
    },
    "none_fits": {"en": "None of these suits you?", "es": "¿Ninguna le conviene?"},
    "taken": {
        "en": "Somebody has just taken this time. You still have your old one.",
        "es": "Alguien acaba de tomar esa hora. Usted conserva la anterior.",
    },
    "nearest": {"en": "Free and close to it", "es": "Libres y cercanas"},
    "sure_move_title": {"en": "Move to this time?", "es": "¿Cambiar a esta hora?"},
    "sure_move_text": {
        "en": "Your old time ({when}) then goes to somebody else.",
        "es": "Su hora anterior ({when}) quedará libre para otra persona.",
    },
    "sure_move": {"en": "Yes, move it", "es": "Sí, cambiarla"},
    "other_time": {"en": "Choose another one", "es": "Elegir otra"},
    # Cancelling it
    "cancel_title": {"en": "Cancel this appointment?", "es": "¿Cancelar esta cita?"},
    "cancel_text": {
        "en": "Your time then goes to somebody else. You can also choose another time instead.",
        "es": "Su hora quedará libre para otra persona. También puede elegir otra hora.",
    },
    "sure_cancel": {"en": "Yes, cancel it", "es": "Sí, cancelarla"},
    "keep": {"en": "No, keep it", "es": "No, conservarla"},
    # Preparing
    "prepare_title": {"en": "How to prepare", "es": "Cómo prepararse"},
    "prepare_care_team": {
        "en": "If your care team told you something else, do what they said.",
        "es": "Si su equipo le indicó otra cosa, haga lo que le indicaron.",
    },
    "prepare_fatty": {
        "en": "No heavy or fatty meal in the 8 hours before.",
        "es": "Nada de comidas pesadas o grasas en las 8 horas anteriores.",
    },
    "prepare_light": {
        "en": "Nothing else to eat, not even something light, in the 6 hours before.",
        "es": "Nada de comer, ni algo ligero, en las 6 horas anteriores.",
    },
    "prepare_clear": {
        "en": "You may drink water and other clear drinks until 2 hours before, then nothing.",
        "es": "Puede beber agua y otras bebidas claras hasta 2 horas antes; después, nada.",
    },
    "prepare_escort": {
        "en": "An adult must take you home. Please arrange it before you come.",
        "es": "Un adulto debe llevarle a casa. Organícelo antes de venir.",
    },
    "prepare_driving": {
        "en": "Do not drive until after a night's sleep.",
        "es": "No conduzca hasta después de haber dormido una noche.",
    },
    "prepare_medicines": {
        "en": "Bring a list of all medicines and supplements you take. Tell us about anything new.",
        "es": "Traiga una lista de todos los medicamentos y suplementos que toma. Díganos si hay algo nuevo.",
    },
    "prepare_questions": {
        "en": "Write down what you want to ask us.",
        "es": "Anote lo que quiera preguntarnos.",
    },
    # An offer
    "offer_title": {"en": "An earlier time for you", "es": "Una hora antes para usted"},
    "offer_until": {
        "en": "Please answer by {when}. It goes to the first who says yes.",
        "es": "Responda antes del {when}. Será para la primera persona que diga que sí.",
    },
    "accept": {"en": "Yes, I take it", "es": "Sí, la quiero"},
    "decline": {"en": "No, thank you", "es": "No, gracias"},
    "accept_title": {"en": "Take this time?", "es": "¿Quiere esta hora?"},
    "offer_accepted_title": {"en": "It is yours", "es": "Es suya"},
    "offer_accepted": {
        "en": "We expect you. A confirmation follows.",
        "es": "Le esperamos. Le enviaremos una confirmación.",
    },
    "offer_accepted_over": {
        "en": "You took this time. It has changed since: look at our latest message, or call us.",
        "es": "Usted aceptó esta hora. Después hubo un cambio: vea nuestro último mensaje o llámenos.",
    },
    "offer_declined_title": {"en": "Thank you for telling us", "es": "Gracias por avisarnos"},
    "offer_gone_title": {"en": "This time is gone", "es": "Esta hora ya no está libre"},
    "offer_gone": {
        "en": "Somebody else was quicker, or the time is not free any more.",
        "es": "Otra persona respondió antes, o la hora ya no está libre.",
    },
    "offer_expired_title": {"en": "This offer has ended", "es": "Esta oferta terminó"},
    "offer_expired": {
        "en": "The time to answer is over. If it is still free, we can book it when you call.",
        "es": "El plazo para responder terminó. Si la hora sigue libre, podemos reservarla si nos llama.",
    },
    "stay_on_list": {
        "en": "You stay on the list, and we will tell you about the next one.",
        "es": "Usted sigue en la lista y le avisaremos de la próxima.",
    },
    "offer_busy": {
        "en": "You already have another appointment at that time. Please call us.",
        "es": "Usted ya tiene otra cita a esa hora. Por favor, llámenos.",
    },
    # A course
    "course_title": {"en": "Your appointments", "es": "Sus citas"},
    "course_none": {"en": "There are none at present.", "es": "No hay ninguna por ahora."},
    "course_change": {
        "en": "To change one, use the link in the message about it, or call us.",
        "es": "Para cambiar una, use el enlace del mensaje sobre ella o llámenos.",
    },
    # A check-in
    **CHECK_IN_WORDS,
}

"""Which page answers at which step, per kind of link; ``settings.PATIENT_PAGES`` names these tables."""

from collections.abc import Mapping

from patients.pages.handlers import Page
from scheduling.pages import check_ins
from scheduling.pages.courses import CoursePage
from scheduling.pages.moving import Move
from scheduling.pages.offers import Accept, Decline, OfferPage
from scheduling.pages.visits import AskForCall, CalendarFile, Cancel, Confirm, Prepare, Visit

Steps = Mapping[str, type[Page]]

APPOINTMENT: Steps = {
    "": Visit,
    "confirm": Confirm,
    "move": Move,
    "cancel": Cancel,
    "call": AskForCall,
    "calendar": CalendarFile,
    "prepare": Prepare,
}
OFFER: Steps = {"": OfferPage, "accept": Accept, "decline": Decline}
COURSE: Steps = {"": CoursePage}
CHECK_IN: Steps = check_ins.PAGES

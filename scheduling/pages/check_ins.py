"""The page of a check-in. It is answered by telephone, with help in a crisis always on top."""

from django.http import HttpRequest, HttpResponse

from clinic.common.errors import NotFound
from patients.pages.handlers import Page
from patients.pages.links import OpenLink
from scheduling.models import CheckIn
from scheduling.pages.words import WORDS


class CheckInPage(Page):
    """How to answer. It says nothing of what is asked, so no date of birth is needed."""

    title = "check_in_title"
    words = WORDS

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """The number to call, and 988 and 911."""
        if not CheckIn.objects.filter(pk=link.row.subject_id, patient=link.patient).exists():
            raise NotFound("This link opens no check-in.")
        return self.show(request, link, "pages/check_in.html")

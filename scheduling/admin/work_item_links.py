"""From a work item to the infusion session that it is about: its key names the session."""

import re
from collections.abc import Iterator

from django.http import HttpRequest
from django.urls import reverse

from clinic.access.admin.base import actor_in
from clinic.access.admin.sections import Link
from patients.admin.work_items import PAGE
from patients.models import WorkItem

_SESSION = re.compile(r"[a-z_]+:session:([0-9]{1,18})(?::.*)?")
"""Keys of services/vitals.py, drug_log.py and rems.py."""


@PAGE.links
def to_session(request: HttpRequest, item: WorkItem) -> Iterator[Link]:
    """For whoever has a part in the day at the item's site."""
    found = _SESSION.fullmatch(item.key)
    if found and actor_in(request).may("gates.read", item.site_id):
        address = reverse("admin:scheduling_appointment_session", args=[found[1]])
        yield Link("Open the session", address, icon="vital_signs", primary=True)

"""What routes below /infusion-sessions/{appointment}/ share: the session, its ETag, ids in addresses."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.response import Response

from clinic.api.etags import etag_of
from clinic.api.views import OnsetViewSet
from clinic.common.errors import NotFound
from clinic.common.versions import Versioned
from scheduling.domain.session_stages import Stage
from scheduling.models import Appointment, InfusionSession

STAGES = [each.value for each in Stage]
"""Where a patient may be."""
ONE = "[0-9]{1,18}"
"""The id of a reading or entry in an address."""


def part(name: str) -> OpenApiParameter:
    """Such an id in the schema."""
    return OpenApiParameter(name, OpenApiTypes.INT, OpenApiParameter.PATH)


class StrikeSerializer(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=200, help_text="Stays beside what was struck.")


class SessionPartViewSet(OnsetViewSet):
    """Parts of one visit's session. ETag and If-Match are the session's."""

    queryset = Appointment.objects.select_related("visit_type", "site", "patient")

    def visit(self, permission: str) -> Appointment:
        """The visit of the address. Raises NotFound, Forbidden."""
        visit: Appointment = self.get_object()
        self.actor.require(permission, visit.site_id)
        return visit

    def session(self, permission: str) -> InfusionSession:
        """Its session. Raises NotFound while the patient has not arrived, Forbidden."""
        visit = self.visit(permission)
        session = InfusionSession.objects.filter(pk=visit.pk).first()
        if session is None:
            raise NotFound("This visit has no session yet: it begins with the patient's arrival.")
        session.appointment = visit
        return session

    def asked(self, pk: str, *, guarded: bool = False) -> dict[str, Any]:
        """What every service of a session takes. ``guarded``: without If-Match it is 428."""
        return {
            "actor": self.actor,
            "now": self.now,
            "appointment_id": int(pk),
            "expected_version": self.expected_version(required=guarded),
        }

    def reply(self, data: Any, session: Versioned | None, *, status: int = 200) -> Response:
        """A part with the version of the whole."""
        version = session.version if session else 1
        headers = {"ETag": etag_of(session)} if session else {}
        return Response({**data, "version": version}, status=status, headers=headers)

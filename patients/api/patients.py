"""/patients/: the people, how to reach them, and finding them.

Nothing personal stands in an address: lists filter by site and status only and are paged by id
(a cursor repeats the value it is ordered by); names are searched for with POST.
"""

from typing import Any, ClassVar, NoReturn

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.models import Site
from clinic.api.fields import DayField, IdFilter, InstantField, VisibleField
from clinic.api.filters import refuse_unknown
from clinic.api.views import OnsetViewSet, ReadMixin
from clinic.common.errors import Invalid
from patients.domain import mrn, names, phones
from patients.models import Patient
from patients.selectors import patients as finding
from patients.services import consents, details
from patients.services import patients as registry


class Ruled:
    """A serializer field whose value also passes the rule of services.details of the same name."""

    def to_internal_value(self: Any, data: Any) -> Any:
        """The value as it is stored. Raises ValidationError with the rule's code and sentence."""
        value = super().to_internal_value(data)  # type: ignore[misc]  # the field class follows in the MRO
        try:
            return details.clean(self.field_name, value, today=self.context["view"].now.date())
        except Invalid as fault:
            raise ValidationError(fault.detail, code=fault.code) from fault


class RuledText(Ruled, serializers.CharField):
    """Text with a rule."""


class RuledEmail(Ruled, serializers.EmailField):
    """An e-mail address with a rule."""


class RuledDate(Ruled, DayField):
    """A date with a rule."""


class SiteField(VisibleField):
    """A site that the caller may see; others, and closed ones, do not exist for them."""

    default_error_messages: ClassVar = {"unknown_site": "Use the id of one of your sites."}

    def fail(self, key: str, **values: Any) -> NoReturn:
        """Unknown and invisible sites answer alike, with a code of their own."""
        super().fail("unknown_site" if key == "does_not_exist" else key, **values)


class PreferencesSerializer(serializers.Serializer[Any]):
    """Whether care messages may use a channel. Reading shows what is in force."""

    email = serializers.BooleanField(required=False, source="accepts_email")
    sms = serializers.BooleanField(required=False, source="accepts_sms")

    def to_internal_value(self, data: Any) -> Any:
        """A channel we do not know is refused: a no that nobody stores would be worse."""
        values = super().to_internal_value(data)
        unknown = {name: ["Use email or sms."] for name in data if name not in self.fields}
        if unknown:
            raise ValidationError(unknown, code="unknown_channel")
        return values


class PatientSerializer(serializers.Serializer[Patient]):
    """A patient, as staff read and write one."""

    id = serializers.IntegerField(read_only=True)
    mrn = RuledText(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=mrn.MAX_LENGTH,
        help_text="Made when absent.",
    )
    first_name = RuledText(max_length=names.MAX_LENGTH)
    last_name = RuledText(max_length=names.MAX_LENGTH)
    preferred_name = RuledText(required=False, allow_null=True, allow_blank=True, max_length=names.MAX_LENGTH)
    date_of_birth = RuledDate()
    sex = serializers.ChoiceField(Patient.Sex.choices, required=False)
    site = SiteField(queryset=Site.objects.filter(active=True))
    email = RuledEmail(required=False, allow_null=True, allow_blank=True, max_length=254)
    phone = RuledText(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=phones.MAX_WRITTEN,
        help_text="Any format; kept and shown as E.164.",
    )
    timezone = RuledText(required=False, max_length=64, help_text="IANA; the site's when absent.")
    language = serializers.ChoiceField(Patient.Language.choices, required=False)
    contact_preferences = PreferencesSerializer(source="*", required=False)
    status = serializers.ChoiceField(Patient.Status.choices, required=False)
    email_failed_at = InstantField(read_only=True, allow_null=True, help_text="The address bounced then.")
    phone_failed_at = InstantField(read_only=True, allow_null=True, help_text="The number failed then.")
    version = serializers.IntegerField(read_only=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A new patient",
            {
                "first_name": "Ana",
                "last_name": "Reyes",
                "date_of_birth": "1980-05-17",
                "sex": "female",
                "site": 1,
                "email": "ana.reyes@example.org",
                "phone": "(303) 555-0123",
                "language": "es",
                "contact_preferences": {"email": True, "sms": False},
            },
        )
    ]
)
class RegistrationSerializer(PatientSerializer):
    """A patient to register."""

    confirm_duplicate = serializers.BooleanField(
        default=False, write_only=True, help_text="This is another person than those found."
    )


class ChangeSerializer(PatientSerializer):
    """Some fields of a patient."""

    def validate_mrn(self, value: str | None) -> str:
        """An MRN can be replaced, not taken away."""
        if not value:
            raise ValidationError("Give the MRN or leave this field out.", code="blank")
        return value


@extend_schema_serializer(
    examples=[OpenApiExample("By name and birth date", {"query": "reyes", "date_of_birth": "1980-05-17"})]
)
class SearchSerializer(serializers.Serializer[Any]):
    """What is known of the person; everything given must fit."""

    query = serializers.CharField(required=False, max_length=160, help_text="Beginnings of names.")
    date_of_birth = DayField(required=False)
    phone = serializers.CharField(
        required=False, max_length=phones.MAX_WRITTEN, help_text="Whole, or its last digits."
    )
    mrn = serializers.CharField(required=False, max_length=mrn.MAX_LENGTH)
    limit = serializers.IntegerField(
        default=finding.DEFAULT_RESULTS, min_value=1, max_value=finding.MOST_RESULTS
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """At least one thing to look for."""
        if attrs.keys() <= {"limit"}:
            raise ValidationError(
                "Send query, date_of_birth, phone or mrn, or several of them.", code="nothing_to_search_for"
            )
        return attrs


class FoundSerializer(serializers.Serializer[Any]):
    """The patients found, by name."""

    results = PatientSerializer(many=True)


class PatientFilters(django_filters.FilterSet):
    """Where a patient belongs, and whether they are still with us."""

    site = IdFilter()
    status = django_filters.ChoiceFilter(choices=Patient.Status.choices)


class PatientViewSet(ReadMixin, OnsetViewSet):
    """The patients of the caller's sites."""

    queryset = Patient.objects.all()
    serializer_class = PatientSerializer
    filterset_class = PatientFilters
    permissions: ClassVar = {
        "list": "patients.read",
        "retrieve": "patients.read",
        "create": "patients.write",
        "partial_update": "patients.write",
        "search": "patients.read",
    }

    @extend_schema(request=RegistrationSerializer, responses={201: PatientSerializer})
    def create(self, request: Request) -> Response:
        """Register a patient. 409 ``possible_duplicate`` lists who has this name and date of birth."""
        given = self.parse(RegistrationSerializer)
        confirm = given.pop("confirm_duplicate")
        site = given.pop("site")
        preferences = _take_preferences(given)
        patient = registry.register(
            actor=self.actor,
            now=self.now,
            site_id=site.pk,
            given=given,
            contact_preferences=preferences,
            confirm_duplicate=confirm,
        )
        return self.show(patient, status=201)

    @extend_schema(request=ChangeSerializer(partial=True), responses=PatientSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change some fields. A changed address or preference appends to the consents."""
        current = self.get_object()
        expected = self.expected_version(required=True)
        changes = self.parse(ChangeSerializer, partial=True)
        site = changes.pop("site", None)
        preferences = _take_preferences(changes)
        patient = registry.update(
            actor=self.actor,
            now=self.now,
            patient_id=current.pk,
            expected_version=expected,
            changes=changes,
            contact_preferences=preferences,
            site_id=site.pk if site else None,
        )
        return self.show(patient)

    @extend_schema(request=SearchSerializer, responses=FoundSerializer)
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None)
    def search(self, request: Request) -> Response:
        """Find patients by name, birth date, phone or MRN, in the body so that no log keeps them."""
        refuse_unknown(request, frozenset())
        found = finding.search(actor=self.actor, **self.parse(SearchSerializer))
        return Response({"results": self.get_serializer(found, many=True).data})


def _take_preferences(values: dict[str, Any]) -> dict[str, bool]:
    """Remove the contact preferences from the parsed body: channel -> wish."""
    fields = consents.ACCEPTS.items()
    return {str(channel): values.pop(field) for channel, field in fields if field in values}

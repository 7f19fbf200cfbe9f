"""The person we treat: identity and how to reach them."""

from zoneinfo import ZoneInfo

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models.functions import Reverse

from clinic.access.models.sites import validate_timezone
from clinic.access.policy import Actor
from clinic.common.versions import Versioned

PHONE_REVERSED = Reverse("phone")
"""By which an index finds how a number ends."""
PLAIN_MRN = models.Func(
    models.F("mrn"),
    models.Value("-._/"),
    models.Value(""),
    function="translate",
    output_field=models.CharField(),
)
"""An MRN without its punctuation: patients.domain.mrn.plain of what is stored."""


class PatientQuerySet(models.QuerySet["Patient"]):
    """Reusable filters on patients."""

    def visible_to(self, actor: Actor) -> "PatientQuerySet":
        """Patients of the sites at which this actor works with patients."""
        return self if actor.sees_every_site else self.filter(site_id__in=actor.sites("patients.read"))


class Patient(Versioned):
    """One person at one site. Contact data is what the person gave; consent says what may be used."""

    class Sex(models.TextChoices):
        FEMALE = "female"
        MALE = "male"
        OTHER = "other"
        UNKNOWN = "unknown"

    class Language(models.TextChoices):
        ENGLISH = "en", "English"
        SPANISH = "es", "Español"

    class Status(models.TextChoices):
        ACTIVE = "active"
        INACTIVE = "inactive"
        DECEASED = "deceased"

    mrn = models.CharField("MRN", max_length=32, unique=True)
    site = models.ForeignKey("access.Site", on_delete=models.PROTECT, related_name="patients")
    first_name = models.CharField(max_length=80)
    last_name = models.CharField(max_length=80)
    preferred_name = models.CharField(max_length=80, blank=True)
    date_of_birth = models.DateField()
    sex = models.CharField(max_length=8, choices=Sex.choices, default=Sex.UNKNOWN)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=16, blank=True, help_text="E.164, such as +13035550123.")
    timezone = models.CharField(max_length=64, validators=[validate_timezone])
    language = models.CharField(max_length=2, choices=Language.choices, default=Language.ENGLISH)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ACTIVE)

    accepts_email = models.BooleanField(default=False, editable=False)
    accepts_sms = models.BooleanField("accepts SMS", default=False, editable=False)
    email_failed_at = models.DateTimeField(null=True, blank=True, editable=False)
    phone_failed_at = models.DateTimeField(null=True, blank=True, editable=False)

    sort_name = models.CharField(max_length=170, editable=False)
    search = models.GeneratedField(
        expression=SearchVector("sort_name", config="simple"),
        output_field=SearchVectorField(),
        db_persist=True,
    )
    created_at = models.DateTimeField(editable=False)

    objects = PatientQuerySet.as_manager()

    class Meta:
        ordering = ("sort_name", "id")
        indexes = (
            GinIndex(fields=("search",), name="patient_search"),
            models.Index(fields=("site", "sort_name", "id"), name="patient_by_name"),
            models.Index(fields=("phone",), name="patient_phone"),
            models.Index(OpClass(PHONE_REVERSED, name="text_pattern_ops"), name="patient_phone_ending"),
            models.Index(PLAIN_MRN, name="patient_plain_mrn"),
            models.Index(fields=("date_of_birth",), name="patient_birth"),
        )
        constraints = (
            models.CheckConstraint(
                condition=models.Q(phone="") | models.Q(phone__regex=r"^\+[1-9][0-9]{6,14}$"),
                name="patient_phone_e164",
            ),
            models.CheckConstraint(
                condition=models.Q(sex__in=["female", "male", "other", "unknown"]), name="patient_sex"
            ),
            models.CheckConstraint(condition=models.Q(language__in=["en", "es"]), name="patient_language"),
            models.CheckConstraint(
                condition=models.Q(status__in=["active", "inactive", "deceased"]), name="patient_status"
            ),
        )

    def __str__(self) -> str:
        return f"{self.last_name}, {self.first_name} ({self.mrn})"

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which this person's messages and check-ins are timed."""
        return ZoneInfo(self.timezone)

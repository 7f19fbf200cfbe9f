"""Plain valid records for tests. What a test is about, it sets itself."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any

import factory

from clinic.access.models import Membership, Site, User
from patients.models import Patient
from scheduling.models import Resource, VisitType, WorkingHours

CREATED = datetime(2026, 12, 1, 16, 0, tzinfo=UTC)


class SiteFactory(factory.django.DjangoModelFactory[Site]):
    """A site in Denver."""

    class Meta:
        model = Site

    name = factory.Sequence(lambda n: f"Cedar Street {n}")
    discreet_name = "Cedar Street Office"
    timezone = "America/Denver"
    phone = "+13035550100"


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A member of staff: ``UserFactory(roles={site: ["nurse"]})``."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    is_staff = True

    @factory.post_generation
    def roles(self, _create: bool, extracted: Mapping[Site, Iterable[str]] | None, **_kwargs: Any) -> None:
        """Memberships per site."""
        for site, roles in (extracted or {}).items():
            Membership.objects.bulk_create(
                Membership(user=self, site=site, role=role)  # type: ignore[misc]  # self is the made user
                for role in roles
            )


class PatientFactory(factory.django.DjangoModelFactory[Patient]):
    """A patient with e-mail and phone, who may be reached on both."""

    class Meta:
        model = Patient

    site = factory.SubFactory(SiteFactory)
    mrn = factory.Sequence(lambda n: f"T{n:06d}")
    first_name = "Ana"
    last_name = factory.Sequence(lambda n: f"Reyes{n}")
    date_of_birth = date(1980, 5, 17)
    email = factory.Sequence(lambda n: f"patient{n}@example.org")
    phone = factory.Sequence(lambda n: f"+1303555{n % 10000:04d}")
    timezone = "America/Denver"
    accepts_email = True
    accepts_sms = True
    sort_name = factory.LazyAttribute(lambda o: f"{o.last_name} {o.first_name}".casefold())
    created_at = CREATED


class ResourceFactory(factory.django.DjangoModelFactory[Resource]):
    """A chair, unless told otherwise."""

    class Meta:
        model = Resource

    site = factory.SubFactory(SiteFactory)
    kind = "chair"
    name = factory.Sequence(lambda n: f"Chair {n}")
    capacity = factory.LazyAttribute(lambda o: 3 if o.kind == "nurse" else 1)


def open_clinic(site: Site, *, chairs: int = 2, nurses: int = 1, prescribers: int = 1) -> list[Resource]:
    """Working hours 08:00 to 18:00 every day, with these resources: ready to be booked."""
    WorkingHours.objects.bulk_create(
        WorkingHours(site=site, weekday=day, start=time(8), end=time(18)) for day in range(7)
    )
    counts = {"chair": chairs, "nurse": nurses, "prescriber": prescribers}
    return [
        ResourceFactory.create(site=site, kind=kind, name=f"{kind.title()} {n + 1}")
        for kind, count in counts.items()
        for n in range(count)
    ]


def visit_type(code: str = "ketamine-mood") -> VisitType:
    """One of the visit types that the catalogue migration ships."""
    return VisitType.objects.get(code=code)

"""Course templates, written by managers. Courses already booked keep the stages they were booked with."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from django.db import IntegrityError

from clinic.access.policy import Actor
from clinic.common import changes as named
from clinic.common.errors import Conflict, FieldError, NotFound
from clinic.common.transactions import durable, violated
from clinic.common.versions import require_version
from scheduling.domain import courses as domain
from scheduling.domain.courses import Stage
from scheduling.models import CourseTemplate


class TemplateChanges(TypedDict, total=False):
    """What may change about a template; its code and visit type never do."""

    name: str
    stages: Sequence[Stage]
    allowed_weekdays: list[int] | None
    active: bool
    source: str
    mark: str


@durable
def add_template(
    *, actor: Actor, now: datetime, code: str, visit_type_id: int, details: TemplateChanges
) -> CourseTemplate:
    """Add a template under a code that nothing else has; ``details`` holds at least name and stages.

    Raises Conflict (``code_taken``), Forbidden.
    """
    actor.require("setup.write")
    template = CourseTemplate(code=code, visit_type_id=visit_type_id, **_columns(details))
    try:
        template.save(force_insert=True)
    except IntegrityError as error:
        if "code" not in (violated(error) or ""):
            raise
        detail = "Another course template has this code. Choose another one."
        raise Conflict(
            detail, code="code_taken", errors=[FieldError("/code", "code_taken", detail)]
        ) from error
    return template


@durable
def change_template(
    *,
    actor: Actor,
    now: datetime,
    template_id: int,
    expected_version: int | None,
    changes: TemplateChanges,
) -> CourseTemplate:
    """Change a template for courses booked from now on. Raises StaleVersion, NotFound, Forbidden."""
    template = CourseTemplate.objects.visible_to(actor).select_for_update().filter(pk=template_id).first()
    if template is None:
        raise NotFound("This course template does not exist.")
    actor.require("setup.write")
    require_version(template, expected_version)
    named.apply(template, _columns(changes))
    return template


def _columns(details: TemplateChanges) -> dict[str, object]:
    """As the database holds them: stages become JSON."""
    columns: dict[str, object] = dict(details)
    if "stages" in details:
        columns["stages"] = domain.to_json(details["stages"])
    return columns

"""The import page: a CSV file is checked first, and loaded only if it is the file that was checked.

The file is not kept between the two: the browser sends it twice, a digest says that it is the same.
"""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.inputs import Tick
from clinic.access.admin.refusals import submit
from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common import clock
from clinic.common.errors import Invalid
from patients.domain import csv_rows, import_rows
from patients.domain.csv_rows import Refusal
from patients.domain.import_rows import PatientRow
from patients.services import imports

MOST_MEGABYTES = 5
MOST_SHOWN = 200
"""Refused rows shown on the page; what is wrong with the rest shows when these are put right."""


class ImportForm(forms.Form):
    """A file for a site."""

    site = forms.ModelChoiceField(
        Site.objects.none(), widget=UnfoldAdminSelectWidget, empty_label="Choose a site"
    )
    file = forms.FileField(widget=UnfoldAdminFileFieldWidget, label="CSV file")
    all_or_nothing = Tick(label="Load nothing if any row is refused")
    checked = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sites = Site.objects.filter(active=True)
        if not actor.sees_every_site:
            sites = sites.filter(pk__in=actor.sites("patients.import"))
        self.fields["site"].queryset = sites.order_by("name")  # type: ignore[attr-defined]

    def clean_file(self) -> "UploadedFile[bytes]":
        """A file that one request can load."""
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if file.size is None or file.size > MOST_MEGABYTES * 1024 * 1024:
            raise forms.ValidationError(
                f"This file is larger than {MOST_MEGABYTES} MB. Split it, or load it with "
                "manage.py import_patients."
            )
        return file


def page(admin: OnsetAdmin, request: HttpRequest) -> HttpResponse:
    """Check a file, then load it."""
    actor = actor_in(request)
    if not actor.may("patients.import"):
        raise PermissionDenied
    form = ImportForm(request.POST or None, request.FILES or None, actor=actor)
    loading = request.POST.get("do") == "load"
    digest = ""
    outcome: imports.Outcome | None = None
    if request.method == "POST" and form.is_valid():
        content: bytes = form.cleaned_data["file"].read()
        digest = hashlib.sha256(content).hexdigest()
        outcome = submit(form, lambda given: _load(actor, content, digest, given, loading=loading))
    refused = outcome.refusals[:MOST_SHOWN] if outcome else ()
    return admin.page(
        request,
        "admin/patients/import.html",
        title="Import patients",
        form=form,
        outcome=outcome,
        loaded=loading,
        digest=digest,
        columns=import_rows.COLUMNS,
        required=import_rows.REQUIRED_COLUMNS,
        table={
            "headers": ["Line", "Column", "Reason"],
            "rows": [(row.line, row.column or shown.NOTHING, row.reason) for row in refused],
        },
        more=len(outcome.refusals) - len(refused) if outcome else 0,
    )


def _load(
    actor: Actor, content: bytes, digest: str, given: dict[str, Any], *, loading: bool
) -> imports.Outcome:
    """The dry run, or the import. Raises Invalid for a file that cannot be read or was not checked."""
    if loading and given["checked"] != digest:
        raise Invalid(
            "This is not the file that was checked. Check it first, then load it.", code="unchecked"
        )
    return imports.load(
        actor=actor,
        now=clock.now(),
        site=given["site"],
        rows=_rows(content, given["file"].name),
        all_or_nothing=given["all_or_nothing"],
        dry_run=not loading,
    )


def _rows(content: bytes, name: str) -> Iterator[PatientRow | Refusal]:
    encoding = csv_rows.encoding_of([content])
    text = io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline=None)
    lines = csv_rows.numbered_lines(text.readline)
    read = csv_rows.read(lines, file=name, required=import_rows.REQUIRED_COLUMNS, known=import_rows.COLUMNS)
    return (row if isinstance(row, Refusal) else import_rows.from_csv(row) for row in read)

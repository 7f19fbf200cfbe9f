"""The base of every admin page: whose rows are shown, who may change them, and through what.

Rows come from ``visible_to(actor)``, permissions from the one table in access.policy, writes go
through services. Django's own model permissions play no part. Nothing is deleted and nothing edited in bulk.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter

from clinic.access.actors import actor_of
from clinic.access.admin.forms import STAMP, OnsetForm, require_stamp
from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import DomainError
from clinic.common.transactions import request_unit
from clinic.common.versions import Versioned

View = Callable[..., HttpResponse]


def actor_in(request: HttpRequest) -> Actor:
    """Who is asking."""
    return actor_of(request.user)


class SiteFilter(DropdownFilter):
    """Rows of one of the sites that the person works at."""

    title = "site"
    parameter_name = "site"
    field = "site_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The person's sites, when there is a choice."""
        sites = Site.objects.visible_to(actor_in(request)).order_by("name")
        return [(str(pk), name) for pk, name in sites.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Rows of the chosen site; what is no number matches nothing."""
        chosen = self.value()
        if not chosen:
            return queryset
        return queryset.filter(**{self.field: int(chosen)}) if chosen.isdecimal() else queryset.none()


class PatientSiteFilter(SiteFilter):
    """The same for rows that belong to a patient."""

    field = "patient__site_id"


class OnsetAdmin(ModelAdmin):
    """Set ``reads`` and ``writes`` to permissions of access.policy; without ``writes`` it is read-only."""

    reads: ClassVar[str] = ""
    writes: ClassVar[str] = ""
    may_add: ClassVar[bool] = True
    may_change: ClassVar[bool] = True
    form = OnsetForm
    actions: Any = None
    show_full_result_count = False
    list_per_page = 50
    compressed_fields = True
    list_before_template = "onset/before_list.html"
    empty_hint: ClassVar[str] = ""
    """What to do when the list is empty."""

    # --- who sees what -------------------------------------------------------------------------
    def visible(self, rows: Any, actor: Actor) -> models.QuerySet[Any]:
        """The rows that this person may see."""
        visible: models.QuerySet[Any] = rows.visible_to(actor)
        return visible

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Only visible rows, in lists, on pages and in choices."""
        return self.visible(super().get_queryset(request), actor_in(request))

    def site_of(self, obj: Any) -> int | None:
        """The site whose roles count for this row; None for what all sites share."""
        site_id: int | None = getattr(obj, "site_id", None)
        return site_id

    def may(self, request: HttpRequest, permission: str, obj: Any = None) -> bool:
        """Whether the person has a permission of access.policy, for this row or anywhere."""
        if not permission:
            return False
        return actor_in(request).may(permission, None if obj is None else self.site_of(obj))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By the table."""
        return self.may(request, self.reads, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """By the table."""
        return self.may_add and self.may(request, self.writes)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By the table."""
        return self.may_change and self.may(request, self.writes, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is deleted: records are ended, cancelled or made inactive."""
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whoever reads some of it sees it in the menu."""
        return self.may(request, self.reads)

    def found(self, request: HttpRequest, pk: int, permission: str = "") -> Any:
        """The row, for whoever has the permission (to read, unless said otherwise) for it.

        Raises Http404 for a row of another site as for one that is not there, PermissionDenied.
        """
        if not (self.may(request, permission) if permission else self.has_view_permission(request)):
            raise PermissionDenied
        row = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404(f"There is no such {self.opts.verbose_name} at your sites.")
        if permission and not self.may(request, permission, row):
            raise PermissionDenied
        return row

    def to(self, pk: int) -> HttpResponseRedirect:
        """Off to the page of a row."""
        return HttpResponseRedirect(
            reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[pk])
        )

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> NoReturn:
        """A row of another site answers as one that was never there."""
        raise Http404("There is no such record at your sites.")

    # --- choices -------------------------------------------------------------------------------
    def choices_for(self, request: HttpRequest, rows: Any) -> Any:
        """Rows that may be chosen as the value of a field: visible ones, and sites one may write for."""
        actor = actor_in(request)
        if rows.model is Site and self.writes and not actor.sees_every_site:
            return rows.filter(pk__in=actor.sites(self.writes))
        return rows.visible_to(actor) if hasattr(rows, "visible_to") else rows

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """No row of another site is ever among the choices."""
        if "queryset" not in kwargs:
            kwargs["queryset"] = self.choices_for(request, db_field.remote_field.model.objects.all())
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Related rows are added and changed on their own pages."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for ability in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if field is not None and hasattr(field.widget, ability):
                setattr(field.widget, ability, False)
        return field

    # --- saving --------------------------------------------------------------------------------
    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """With the stamp of what is shown, on pages that can be saved."""
        fieldsets = list(super().get_fieldsets(request, obj))
        if obj is None or not self.has_change_permission(request, obj):
            return fieldsets
        title, options = fieldsets[0]
        fields = [name for name in options["fields"] if name != STAMP]
        return [(title, {**options, "fields": [*fields, STAMP]}), *fieldsets[1:]]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        """The form of this request, knowing what the service refused a moment ago."""
        form = super().get_form(request, obj, change=change, **kwargs)
        form.refusal = getattr(request, "onset_refusal", None)
        return form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Save in one transaction with its history entry; what the service refuses shows on the form."""
        view = super().changeform_view
        if request.method != "POST":
            shown: HttpResponse = view(request, object_id, form_url, extra_context)
            return shown
        try:
            with request_unit():
                saved: HttpResponse = view(request, object_id, form_url, extra_context)
                return saved
        except DomainError as refusal:
            request.onset_refusal = refusal  # type: ignore[attr-defined]  # read by get_form just below
        refused: HttpResponse = view(request, object_id, form_url, extra_context)
        return refused

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        """Plain set-up rows: refused when stale, counted as one version. Others override this."""
        if not change:
            obj.save(force_insert=True)
            return
        locked = self.model.objects.select_for_update().get(pk=obj.pk)
        require_stamp(locked, form.cleaned_data[STAMP])
        changed = [name for name in form.changed_data if name != STAMP]
        if isinstance(obj, Versioned):
            versions.save(obj, *changed)
        elif changed:
            obj.save(update_fields=changed)

    # --- pages ---------------------------------------------------------------------------------
    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list; what filters leave out is neither counted nor offered as "show all"."""
        changelist = super().get_changelist_instance(request)
        changelist.full_result_count = changelist.result_count
        return changelist

    def route(self, route: str, view: View, name: str, *, post: bool = False) -> URLPattern:
        """The URL of a page of our own: ``admin:<app>_<model>_<name>``. ``post``: it answers nothing else."""
        named = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        answers = require_POST(view) if post else view
        page: URLPattern = path(route, self.admin_site.admin_view(answers), name=named)
        return page

    def page(
        self, request: HttpRequest, template: str, *, title: str, status: int = 200, **context: Any
    ) -> TemplateResponse:
        """A page of our own inside the admin's frame."""
        request.current_app = self.admin_site.name
        shared = self.admin_site.each_context(request)
        return TemplateResponse(
            request, template, {**shared, "opts": self.opts, "title": title, **context}, status=status
        )


class RecordAdmin(OnsetAdmin):
    """Records that have a page of their own (``show``) and change by steps, never in Django's form."""

    may_change = False

    def show(self, request: HttpRequest, record: Any) -> HttpResponse:
        """The page of one record."""
        raise NotImplementedError

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """That page; nothing is posted to it."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not object_id.isdecimal():
            raise Http404
        return self.show(request, self.found(request, int(object_id)))

"""Replies that are files: named, not kept by any cache, never shown inside another page."""

from django.http import HttpResponse

CSV, PDF = "text/csv; charset=utf-8", "application/pdf"


def download(content: str | bytes, *, name: str, content_type: str) -> HttpResponse:
    """The file under this name, which holds nothing about a patient."""
    return HttpResponse(
        content,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )

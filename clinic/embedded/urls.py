"""The product's addresses, and under /demo/ what only a demo or test system shows."""

from django.urls import path

from clinic.embedded import views
from clinic.urls import handler400, handler403, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

urlpatterns = [
    *urlpatterns,
    path("demo/mailbox/", views.mailbox_page, name="demo-mailbox"),
    path("demo/mailbox/text/", views.write_text, name="demo-mailbox-text"),
    path("demo/mailbox/appointment.ics", views.calendar_entry, name="demo-mailbox-calendar"),
    path("demo/mailbox.json", views.mailbox_json, name="demo-mailbox-json"),
]

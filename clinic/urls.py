"""Every address: the API, the admin, the pages that messages link to, and the health checks."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from clinic.access.admin import doors
from clinic.api import health, metrics

handler400 = "clinic.api.errorpages.bad_request"
handler403 = "clinic.api.errorpages.forbidden"
handler404 = "clinic.api.errorpages.not_found"
handler500 = "clinic.api.errorpages.server_error"

doors.guard(admin.site)

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("api/v1/", include("clinic.api.urls")),
    path("feeds/", include("scheduling.feeds.urls")),
    path("fhir/r4/", include("scheduling.fhir.urls")),
    path("hooks/", include("patients.hooks.urls")),
    path("account/", include("clinic.access.account_urls")),
    path("p/", include("patients.pages.urls")),
    path("admin/", admin.site.urls),
]

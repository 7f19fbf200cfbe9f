"""/api/v1/: sign-in, the schema, and the resources of each app."""

from django.urls import include, path
from django.views.decorators.common import no_append_slash

from clinic.api.document import DocsView, DocumentView
from clinic.api.sessions import LoginView, LogoutView

urlpatterns = [
    path("auth/login/", no_append_slash(LoginView.as_view()), name="login"),
    path("auth/logout/", no_append_slash(LogoutView.as_view()), name="logout"),
    path("schema/", no_append_slash(DocumentView.as_view()), name="schema"),
    path("docs/", no_append_slash(DocsView.as_view()), name="docs"),
    path("", include("clinic.access.api.urls")),
    path("", include("patients.api.urls")),
    path("", include("scheduling.api.urls")),
]

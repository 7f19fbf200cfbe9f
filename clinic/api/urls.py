"""/api/v1/: sign-in, the schema, and the resources of each app."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from clinic.api.sessions import LoginView, LogoutView

urlpatterns = [
    path("auth/login/", LoginView.as_view(), name="login"),
    path("auth/logout/", LogoutView.as_view(), name="logout"),
    path("schema/", SpectacularAPIView.as_view(permission_classes=[], throttle_classes=[]), name="schema"),
    path(
        "docs/",
        SpectacularSwaggerView.as_view(url_name="schema", permission_classes=[], throttle_classes=[]),
        name="docs",
    ),
    path("", include("clinic.access.api.urls")),
    path("", include("patients.api.urls")),
    path("", include("scheduling.api.urls")),
]

"""Everything under /fhir/r4/. Addresses have no last slash: FHIR's have none."""

from django.urls import URLPattern, path, re_path
from django.views.decorators.common import no_append_slash

from scheduling.fhir.served import KINDS
from scheduling.fhir.views import CapabilityView, view_of


def _routes() -> list[URLPattern]:
    routes = [path("metadata", no_append_slash(CapabilityView.as_view()), name="fhir-metadata")]
    for kind in KINDS:
        view = view_of(kind)
        routes += [
            path(kind.type, view.as_view({"get": "list"}), name=f"fhir-{kind.type}"),
            path(f"{kind.type}/_search", view.as_view({"post": "list"}), name=f"fhir-{kind.type}-search"),
            re_path(
                rf"^{kind.type}/(?P<pk>[A-Za-z0-9.-]{{1,64}})$",
                view.as_view({"get": "retrieve"}),
                name=f"fhir-{kind.type}-read",
            ),
        ]
    return routes


urlpatterns = _routes()

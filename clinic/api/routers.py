"""One router for the whole API: ids are whole numbers, and every app adds its resources to it."""

from rest_framework.routers import SimpleRouter


class OnsetRouter(SimpleRouter):
    """A router whose record paths take digits only, so that other words are 404s, not lookups."""

    def get_lookup_regex(self, viewset: object, lookup_prefix: str = "") -> str:
        """At most 18 digits: always a valid bigint."""
        return rf"(?P<{lookup_prefix}pk>[0-9]{{1,18}})"

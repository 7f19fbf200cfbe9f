"""The first of our apps to start."""

from importlib import import_module

from django.apps import AppConfig

from clinic import celery


class AccessConfig(AppConfig):
    """Also makes the Celery application exist before anything publishes a task."""

    name = "clinic.access"
    verbose_name = "Access"
    celery = celery.app

    def ready(self) -> None:
        """Listen to Django's and allauth's word on who came, went, or enrolled a second factor."""
        import_module("clinic.access.watch")
        import_module("clinic.access.allauth_adapters")

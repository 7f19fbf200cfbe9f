"""The first of our apps to start."""

from django.apps import AppConfig

from clinic import celery


class AccessConfig(AppConfig):
    """Also makes the Celery application exist before anything publishes a task."""

    name = "clinic.access"
    verbose_name = "Access"
    celery = celery.app

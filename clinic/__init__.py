"""The project and the ground floor: how Onset is configured, run and guarded."""

from clinic.celery import app as celery_app

__all__ = ["celery_app"]

"""The Celery application. What it runs on a beat is static, in settings (CELERY_BEAT_SCHEDULE)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings.base")

app = Celery("onset")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

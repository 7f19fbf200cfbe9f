"""The Django app of the commands."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Commands only: no tables."""

    name = "clinic.operations"
    label = "operations"

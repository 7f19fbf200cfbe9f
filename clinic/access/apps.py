from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "clinic.access"
    verbose_name = "Access"

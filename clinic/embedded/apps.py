from django.apps import AppConfig


class EmbeddedConfig(AppConfig):
    name = "clinic.embedded"
    verbose_name = "Demo"

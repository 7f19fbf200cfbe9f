"""What `make demo` runs: production settings on one machine, over plain HTTP on loopback, with a
clock that turns and a mailbox that shows what was delivered."""

from clinic.settings import env
from clinic.settings.base import *

CLOCK = "clinic.common.clock.turned_now"
ONSET_DATA = env.text("ONSET_DATA")
INSTALLED_APPS = [*INSTALLED_APPS, "clinic.embedded"]
ROOT_URLCONF = "clinic.embedded.urls"
TWILIO_BASE_URL = env.url("TWILIO_BASE_URL", ("http",), "http://127.0.0.1:9")

SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = False
SECURE_HSTS_SECONDS = 0
EMAIL_USE_TLS = False
IDLE_MINUTES = 720
MFA_REQUIRED_ROLES = env.names("MFA_REQUIRED_ROLES", "")
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True  # passkeys work at http://localhost, not at an address in digits
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
MAILBOX_PATIENTS = "patients.selectors.messages.patients_by_provider_id"
MAILBOX_RECEIVERS = "patients.selectors.replies.receivers"
WHITENOISE_USE_FINDERS = True
TICK_SECONDS = env.number("TICK_SECONDS", 2, low=1, high=60)
CELERY_BEAT_SCHEDULE = {
    name: {**entry, "schedule": float(TICK_SECONDS)} for name, entry in CELERY_BEAT_SCHEDULE.items()
}
DEFAULT_SITE = env.text("DEFAULT_SITE", "Cedar Street")
REST_FRAMEWORK = {
    **REST_FRAMEWORK,
    "DEFAULT_THROTTLE_RATES": {"user": env.rate("API_RATE", "60000/min")},
}

"""Production settings: secure by default, everything secret or local from the environment."""

import os
import ssl
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import django_stubs_ext
from django.http.request import validate_host

from clinic.access.policy import Role
from clinic.settings import env
from clinic.settings.allauth_only import *  # noqa: F403 - what django-allauth reads
from clinic.settings.logs import logging_config
from clinic.settings.unfold_only import *  # noqa: F403 - what django-unfold reads

django_stubs_ext.monkeypatch()  # so that forms and admin classes may be written with their model's type

BASE_DIR = Path(__file__).resolve().parents[2]

# Only demo and test may turn the clock or keep delivered messages where a page can show them.
TURNABLE = os.environ.get("DJANGO_SETTINGS_MODULE") in {"clinic.settings.demo", "clinic.settings.test"}
if not TURNABLE:
    for forbidden in ("ONSET_DATA", "TWILIO_BASE_URL"):
        if os.environ.get(forbidden):
            env.refuse(f"{forbidden} is set, but production has no demo clock or mailbox. Unset it.")
CLOCK = "clinic.common.clock.wall"

SECRET_KEY = env.text("SECRET_KEY")
if not TURNABLE and len(SECRET_KEY) < 50:  # noqa: PLR2004 - what `check --deploy` asks for
    env.refuse("SECRET_KEY is shorter than 50 characters. Make one with `openssl rand -base64 48`.")
DEBUG = False
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS")
if not TURNABLE and "*" in ALLOWED_HOSTS:
    env.refuse("ALLOWED_HOSTS is *, which lets anyone choose the host in our links. Name the hosts.")
PUBLIC_URL = env.site("PUBLIC_URL", ("https", "http"))
if not validate_host(urlsplit(PUBLIC_URL).hostname or "", ALLOWED_HOSTS):
    env.refuse("ALLOWED_HOSTS does not hold the host of PUBLIC_URL, so no link of ours would work. Add it.")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "clinic.access",  # before unfold, whose frame it extends under the same name
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "clinic.api",
    "clinic.operations",
    "patients",
    "scheduling",
]
MIDDLEWARE = [
    "clinic.access.addresses.TrustedProxyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "clinic.api.requests.RequestIdMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "clinic.access.watch.SignInMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",  # writes the policy of views that declare one
]
ROOT_URLCONF = "clinic.urls"
WSGI_APPLICATION = "clinic.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- data ------------------------------------------------------------------------------------
DATABASE_URL = env.url("DATABASE_URL", ("postgresql", "postgres"))
BACKUP_DATABASE_URL = env.url("BACKUP_DATABASE_URL", ("postgresql", "postgres"), DATABASE_URL)
"""For a role that may copy the server (REPLICATION), where that of the application may not."""
try:
    DATABASES: dict[str, dict[str, Any]] = {"default": {**dj_database_url.parse(DATABASE_URL)}}
except ValueError:  # its message would repeat the URL, and with it the password
    env.refuse("DATABASE_URL cannot be read. Percent-encode special characters in the password.")
if not DATABASES["default"]["NAME"]:
    env.refuse("DATABASE_URL names no database. It must end in one: postgresql://user@host:5432/onset.")
DATABASES["default"]["CONN_MAX_AGE"] = None
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"].setdefault("OPTIONS", {})
if env.flag("DATABASE_PGBOUNCER", default=False):
    # A connection is ours for one transaction: no cursor outlives it, and the role brings its timeouts.
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
else:
    DATABASES["default"]["OPTIONS"]["options"] = (
        "-c lock_timeout=3s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"
    )
if env.flag("DATABASE_POOL", default=False):
    # For threaded web workers: LIMITS measured a new connection per thread at six times the cost.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 2, "max_size": 8, "timeout": 5}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.url("REDIS_URL", ("redis", "rediss", "unix"))
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "onset",
        "OPTIONS": {"socket_connect_timeout": 0.3, "socket_timeout": 0.5},
    }
}

# --- background work: a row is the work, a task only says "look now" ---------------------------
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
if REDIS_URL.startswith("rediss://"):
    # Left alone, Celery would accept any certificate; Django's cache already asks for a valid one.
    CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "socket_connect_timeout": 0.5,
    "socket_timeout": 5,
    "socket_keepalive": True,
    "queue_order_strategy": "priority",
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_ENABLE_UTC = True
GAUGES = ["patients.metrics.outreach"]
METRICS_TOKEN = env.text("METRICS_TOKEN", "")
TICK_SECONDS = env.number("TICK_SECONDS", 10, low=1, high=60)
DUE_WORK = [
    "patients.due.Alarms",
    "patients.due.Outreach",
    "scheduling.due.CheckIns",
    "scheduling.due.Repairs",
    "scheduling.due.Waitlist",
    "scheduling.due.Unconfirmed",
    "scheduling.due.FollowUps",
    "scheduling.due.Measures",
]
# What patients' screening flags ask of scheduling, which patients does not know.
PRESCRIBED_MEDICINES = "scheduling.selectors.medicines.prescribed_medicines"
ON_EARLY_CONTACT = "scheduling.services.early_contact.plan_early_contact"
# What assessments and alarms ask of scheduling, which patients does not know.
CLINIC_HOURS = "scheduling.selectors.clinic_hours.watch"
TREATMENT_BEGAN = "scheduling.selectors.clinic_hours.treatment_began"
CELERY_BEAT_SCHEDULE = {
    task: {"task": task, "schedule": float(TICK_SECONDS), "options": {"expires": TICK_SECONDS * 3}}
    for task in (
        "patients.tasks.escalate_alarms",
        "patients.tasks.dispatch_messages",
        "scheduling.tasks.advance_check_ins",
        "scheduling.tasks.run_repairs",
        "scheduling.tasks.offer_freed_slots",
        "scheduling.tasks.ask_unconfirmed",
        "scheduling.tasks.surface_follow_ups",
        "scheduling.tasks.count_measures",
    )
}

# --- people ------------------------------------------------------------------------------------
AUTH_USER_MODEL = "access.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
API_TOKEN_HOURS = env.number("API_TOKEN_HOURS", 12, low=1, high=24 * 30)
IDLE_MINUTES = env.number("IDLE_MINUTES", 15, low=5, high=720)
"""After so long without activity a sign-in is over, in a browser or by token (clinic/access/tokens.py)."""
SESSION_COOKIE_AGE = 12 * 3600
"""The longest that a browser stays signed in, however active."""
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
TRUSTED_PROXIES = env.proxies("TRUSTED_PROXIES")
MFA_REQUIRED_ROLES = env.names("MFA_REQUIRED_ROLES", "nurse,prescriber,manager,auditor,superuser")
"""Who may do nothing without a second factor: roles, and ``superuser``."""
if unknown := set(MFA_REQUIRED_ROLES) - {*map(str, Role), "superuser", "none"}:
    env.refuse(f"MFA_REQUIRED_ROLES knows no role {min(unknown)[:20]!r}. docs/access.md lists them.")
SIGN_IN_TRIES = 5
"""Wrong passwords, or wrong second factors, of one account within SIGN_IN_WINDOW_SECONDS before 429."""
SIGN_IN_TRIES_PER_ADDRESS = 50
SIGN_IN_WINDOW_SECONDS = 300
SECOND_FACTOR_TRIES_PER_DAY = 20

# --- transport ---------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "onset_session"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
FILE_UPLOAD_MAX_MEMORY_SIZE = 2_621_440

# --- words and time ------------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- reaching patients ---------------------------------------------------------------------------
EMAIL_PROVIDERS = (
    "brevo", "mailersend", "mailgun", "mailjet", "mandrill", "postmark", "resend", "sendgrid", "sparkpost",
)  # fmt: skip
"""Providers with an HTTP interface that django-anymail speaks."""
EMAIL_PROVIDER = env.choice("EMAIL_PROVIDER", ("smtp", *EMAIL_PROVIDERS), "smtp")
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if EMAIL_PROVIDER == "smtp"
    else f"anymail.backends.{EMAIL_PROVIDER}.EmailBackend"
)
if EMAIL_PROVIDER != "smtp" and find_spec("anymail") is None:
    env.refuse("EMAIL_PROVIDER needs a package that is not installed. Run `uv sync --extra anymail`.")
ANYMAIL = env.family("ANYMAIL_")
EMAIL_HOST = env.text("SMTP_HOST", None if EMAIL_PROVIDER == "smtp" else "")
EMAIL_PORT = env.number("SMTP_PORT", 587, low=1, high=65535)
EMAIL_HOST_USER = env.text("SMTP_USER", "")
EMAIL_HOST_PASSWORD = env.text("SMTP_PASSWORD", "")
EMAIL_USE_TLS = env.flag("SMTP_STARTTLS", default=True)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.address("MAIL_FROM", f"appointments@{urlsplit(PUBLIC_URL).hostname}")
DEFAULT_SITE = env.text("DEFAULT_SITE", "")
"""Where imports go that do not name a site, when there are several."""
SMS_GATEWAY = env.choice("SMS_GATEWAY", ("twilio", "off"), "off")
TWILIO_ACCOUNT_SID = env.text("TWILIO_ACCOUNT_SID", "" if SMS_GATEWAY == "off" else None)
TWILIO_AUTH_TOKEN = env.text("TWILIO_AUTH_TOKEN", "" if SMS_GATEWAY == "off" else None)
TWILIO_FROM = env.text("TWILIO_FROM", "" if SMS_GATEWAY == "off" else None)
TWILIO_BASE_URL = ""
# What a patient's text does to visits, which patients does not know.
VISIT_REPLIES = "scheduling.replies.VisitReplies"
# The next visit of each patient that a search found, likewise.
NEXT_VISITS = "scheduling.admin.next_visits.next_visits"

# --- pages that our messages link to ---------------------------------------------------------------
PATIENT_PAGES = {
    "appointment": "scheduling.pages.subjects.APPOINTMENT",
    "offer": "scheduling.pages.subjects.OFFER",
    "course": "scheduling.pages.subjects.COURSE",
    "check_in": "scheduling.pages.subjects.CHECK_IN",
}
"""What a link opens, by its subject kind: a table step -> Page class (patients/pages/handlers.py)."""
PATIENT_PAGE_RATE = "120/min"
"""Requests for these pages from one address."""
BIRTH_DATE_TRIES = 5
"""Wrong dates of birth allowed for one patient within BIRTH_DATE_WINDOW_SECONDS, over all links."""
BIRTH_DATE_WINDOW_SECONDS = BIRTH_DATE_LOCK_SECONDS = 3600
BIRTH_DATE_KNOWN_SECONDS = 20 * 60
"""How long one browser is not asked again on one link."""

# --- calendars that staff subscribe to --------------------------------------------------------------
FEED_RATE = "60/min"
"""Requests for calendar feeds from one address."""
FEED_PAST_DAYS, FEED_AHEAD_DAYS = 14, 60
"""How much of the schedule a feed holds, before and after the moment it is asked for."""

# --- API -----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "clinic.api.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["clinic.api.permissions.TablePermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["clinic.api.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "clinic.api.pagination.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["clinic.api.filters.DeclaredFilters"],
    "DEFAULT_SCHEMA_CLASS": "clinic.api.schema.OnsetSchema",
    "DEFAULT_THROTTLE_CLASSES": ["clinic.api.throttles.UserThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": env.rate("API_RATE", "3000/min")},
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "clinic.api.negotiation.JsonUnlessRefused",
    "EXCEPTION_HANDLER": "clinic.api.problems.handle",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Onset API",
    "VERSION": "1",
    "DESCRIPTION": "Schedules infusions and the check-ins that follow a prescription. "
    "Errors are RFC 9457 problem documents; docs/api.md lists their codes.",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SERVE_AUTHENTICATION": None,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    # Every record has a status or a kind; each set of words gets the name of its record.
    "ENUM_NAME_OVERRIDES": {
        "PatientStatus": "patients.models.Patient.Status",
        "MessageStatus": "patients.models.Message.Status",
        "WorkItemStatus": "patients.models.WorkItem.Status",
        "AssessmentSource": "patients.models.Assessment.Source",
        "AlarmSeverity": "patients.models.SafetyAlarm.Severity",
        "AppointmentStatus": "scheduling.models.Appointment.Status",
        "PrescriptionStatus": "scheduling.models.Prescription.Status",
        "CheckInStatus": "scheduling.models.CheckIn.Status",
        "RepairStatus": "scheduling.models.Repair.Status",
        "FollowUpStatus": "scheduling.models.FollowUp.Status",
        "ResourceKind": "scheduling.models.Resource.Kind",
        "VisitTypeKind": "scheduling.models.VisitType.Kind",
        "FollowUpKind": "scheduling.models.FollowUp.Kind",
        "DoseEventKind": "scheduling.models.DoseEvent.Kind",
        "GateStage": "scheduling.models.GateRule.Stage",
        "SessionStage": "scheduling.api.session_parts.STAGES",
        "DrugLogKind": "scheduling.models.DrugLogEntry.Kind",
        "EntryStatus": "patients.models.Recorded.Status",
        "AllergySeverity": "patients.models.Allergy.Severity",
        "FlagSeverity": "patients.models.flags.Severity",
        "FlagState": "patients.api.flags.STATES",
        "TermKind": "patients.models.Term.Kind",
        "PlanStatus": "scheduling.models.TreatmentPlan.Status",
        "PlanItemKind": "scheduling.models.PlanItem.Kind",
        "ToldToStaff": "patients.api.assessments.TOLD_TO_STAFF",
        "GapUnit": ["days", "open_days"],
    },
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums"],
}

LOGGING = logging_config(level=env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO"))
LOGGING_CONFIG = "logging.config.dictConfig"
SILENCED_SYSTEM_CHECKS: list[str] = []

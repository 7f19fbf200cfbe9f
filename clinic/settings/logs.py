"""Structured logs as JSON lines. Events carry ids and codes, never names, numbers or answers."""

import re
from collections.abc import MutableMapping
from typing import Any

import structlog

_TOKEN_IN_PATH = re.compile(r"(/(?:p|feeds)/)[^/\s\"']+")
"""Whoever has such an address may open it: patients' pages, calendar feeds."""


def without_tokens(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Requests are logged by route, but Django names the path of what failed."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _TOKEN_IN_PATH.sub(r"\1…", value)
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def logging_config(*, level: str) -> dict[str, Any]:
    """Send structlog and the standard library's loggers through one JSON formatter."""
    structlog.configure(
        processors=[
            *_SHARED,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    without_tokens,
                    structlog.processors.JSONRenderer(),
                ],
                "foreign_pre_chain": [*_SHARED, structlog.stdlib.ExtraAdder(allow=["status_code"])],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django.server": {"level": "WARNING"},
            # Django logs the path of every 4xx; paths hold ids only, but the noise hides faults.
            "django.request": {"level": "ERROR"},
        },
    }

from patients.admin import (
    assessments,
    before,
    catalogue,
    flags,
    importing,
    instruments,
    messages,
    patients,
    safety_alarms,
    terms,
    work_items,
)

__all__ = [
    "assessments",
    "before",
    "catalogue",
    "flags",
    "importing",
    "instruments",
    "messages",
    "patients",
    "safety_alarms",
    "terms",
    "work_items",
]

from scheduling.admin import (
    appointments,
    calendars,
    check_ins,
    follow_ups,
    patient_sections,
    prescriptions,
    resources,
    rules,
    today,
    visit_types,
)

__all__ = [
    "appointments",
    "calendars",
    "check_ins",
    "follow_ups",
    "patient_sections",
    "prescriptions",
    "resources",
    "rules",
    "today",
    "visit_types",
]

"""What django-unfold reads: names, colours, the menu and the pieces of our own in its frame."""

from typing import Any

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Onset",
    "SITE_HEADER": "Onset",
    "SITE_SYMBOL": "ecg_heart",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    # Command search over models stays off: it caches patient names in the browser.
    "COMMAND": {"search_models": False, "show_history": False},
    "STYLES": ["clinic.access.shown.stylesheet"],
    "SCRIPTS": ["clinic.access.watch.idle_script"],
    "ACCOUNT": {"navigation": "clinic.access.account_pages.links"},
    "SIDEBAR": {"show_all_applications": False, "navigation": "scheduling.admin.navigation.groups"},
    "DASHBOARD_CALLBACK": "scheduling.admin.today.context",
    "GLOBAL_CALLBACK": "patients.admin.matches.box",
    "COLORS": {  # a calm teal; white on 600 has a contrast of 5.5
        "primary": {
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)",
            "500": "oklch(60% .118 184.704)",
            "600": "oklch(51.1% .096 186.391)",
            "700": "oklch(43.7% .078 188.216)",
            "800": "oklch(38.6% .063 188.416)",
            "900": "oklch(33% .055 189)",
            "950": "oklch(27.7% .046 192.524)",
        }
    },
}

"""Reads the catalogue files that ship with the code; data migrations load them as rows."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings


def rows(app: str, name: str) -> list[dict[str, Any]]:
    """The rows of ``<app>/catalogue/<name>.json``."""
    path = Path(settings.BASE_DIR) / app / "catalogue" / f"{name}.json"
    loaded: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return loaded

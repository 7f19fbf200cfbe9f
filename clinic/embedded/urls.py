"""The product's addresses, and under /demo/ what only a demo or test system shows."""

from clinic.urls import *  # noqa: F403

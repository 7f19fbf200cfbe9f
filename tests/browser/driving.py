"""A browser for tests, driven from a thread of its own.

Playwright keeps an event loop running, and in a thread with a running loop Django would hand out
another database connection than the one that the test prepared.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DEADLINE_MS = 15_000
T = TypeVar("T")


class Chromium:
    """A running browser and the one thread that may touch it."""

    def __init__(self, executable: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="browser")
        self._playwright: Playwright = self._there(lambda: sync_playwright().start())
        self._browser: Browser = self._there(
            lambda: self._playwright.chromium.launch(executable_path=executable, args=FLAGS)
        )

    def visit(self, walk: Callable[[Page], T]) -> T:
        """Do what ``walk`` does in a fresh window. Faults in the page's own scripts are failures."""
        return self._there(lambda: self._walk(walk))

    def close(self) -> None:
        """Stop the browser and the thread."""
        self._there(self._browser.close)
        self._there(self._playwright.stop)
        self._thread.shutdown()

    def _there(self, work: Callable[[], T]) -> T:
        return self._thread.submit(work).result()

    def _walk(self, walk: Callable[[Page], T]) -> T:
        context = self._browser.new_context(viewport={"width": 1280, "height": 900})
        try:
            page = context.new_page()
            page.set_default_timeout(DEADLINE_MS)
            faults: list[str] = []
            page.on("pageerror", lambda fault: faults.append(str(fault)))
            result = walk(page)
            assert faults == []
            return result
        finally:
            context.close()

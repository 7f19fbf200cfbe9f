"""Tables of related rows on a page, and the register through which an app adds to another app's page.

The patient's page belongs to patients, which knows nothing of scheduling; scheduling hangs its tables
there when it is loaded.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

Cell = str | SafeString


@dataclass(frozen=True)
class Link:
    """A way to go on from here."""

    text: str
    url: str
    icon: str = ""
    primary: bool = False


@dataclass(frozen=True)
class Section:
    """One table with a heading; ``empty`` says what to do when there is nothing."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str
    links: Sequence[Link] = ()
    note: str = ""

    @property
    def table(self) -> dict[str, Any]:
        """As Unfold's table component takes it."""
        return {"headers": list(self.headers), "rows": [list(row) for row in self.rows]}


SectionOf = Callable[[HttpRequest, Any], Section | None]
LinksOf = Callable[[HttpRequest, Any], Iterable[Link]]


@dataclass
class Extensible:
    """A page to which other apps add sections (None: not for this person) and links."""

    _sections: list[tuple[int, SectionOf]] = field(default_factory=list)
    _links: list[LinksOf] = field(default_factory=list)

    def section(self, *, order: int) -> Callable[[SectionOf], SectionOf]:
        """Register a function that makes a section; lower orders stand higher on the page."""

        def register(make: SectionOf) -> SectionOf:
            self._sections.append((order, make))
            self._sections.sort(key=lambda each: each[0])
            return make

        return register

    def links(self, make: LinksOf) -> LinksOf:
        """Register a function that makes links."""
        self._links.append(make)
        return make

    def sections_for(self, request: HttpRequest, record: Any) -> list[Section]:
        """The sections that this person may see."""
        made = (make(request, record) for _order, make in self._sections)
        return [section for section in made if section is not None]

    def links_for(self, request: HttpRequest, record: Any) -> list[Link]:
        """The links that this person may follow, the main one first."""
        made = [link for make in self._links for link in make(request, record)]
        return sorted(made, key=lambda link: not link.primary)

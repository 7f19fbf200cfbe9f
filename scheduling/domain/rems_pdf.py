"""The REMS monitoring form drawn as one PDF page: pure, from text to bytes (docs/adr/0015-reportlab.md)."""

import io
from collections.abc import Sequence
from html import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import LETTER
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import inch
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

Section = tuple[str, Sequence[tuple[str, str]]]
_LABEL_WIDTH, _VALUE_WIDTH = 2.6 * inch, 4.4 * inch
_STYLE = TableStyle(
    [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.HexColor("#9ca3af")),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
)


def draw(*, title: str, under: str, sections: Sequence[Section]) -> bytes:
    """A page of sections with a label and a value on each line."""
    styles = getSampleStyleSheet()
    text = ParagraphStyle("text", parent=styles["BodyText"], fontSize=9.5, leading=12)
    flow = [Paragraph(_plain(title), styles["Title"]), Paragraph(_plain(under), text), Spacer(1, 6)]
    for heading, lines in sections:
        rows = [[Paragraph(_plain(label), text), Paragraph(_plain(value), text)] for label, value in lines]
        flow.append(Paragraph(_plain(heading), styles["Heading3"]))
        flow.append(Table(rows, colWidths=[_LABEL_WIDTH, _VALUE_WIDTH], style=_STYLE, hAlign="LEFT"))
    page = io.BytesIO()
    margin = 0.75 * inch
    document = SimpleDocTemplate(
        page,
        pagesize=LETTER,
        leftMargin=margin,
        rightMargin=margin,
        topMargin=0.5 * inch,
        bottomMargin=0.5 * inch,
        title=title,
        author="Onset",
        invariant=True,
    )
    document.build(flow)
    return page.getvalue()


def _plain(text: str) -> str:
    """Text as it is, in letters that the built-in fonts have; nothing in it is markup."""
    return escape(text.encode("cp1252", "replace").decode("cp1252"))

"""A small Excel workbook written by hand, so that tests need no writer."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_NS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def _cell(position: int, line: int, value: object) -> str:
    place = f'r="{chr(65 + position)}{line}"'
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c {place} t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float):
        return f"<c {place}><v>{value!r}</v></c>"
    text = str(value)
    if text.startswith("date:"):
        return f'<c {place} s="1"><v>{text[5:]}</v></c>'
    if text.startswith("#"):
        return f'<c {place} t="e"><v>{escape(text)}</v></c>'
    return f'<c {place} t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def workbook(
    sheets: Mapping[str, Sequence[Sequence[object]]], hidden: Sequence[str] = (), *, first_row: int = 1
) -> bytes:
    """Make an xlsx of sheets of rows; ``date:45000.5`` is a serial number shown as a date."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        names = list(sheets)
        overrides = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="application/vnd.openxmlformats-'
            f'officedocument.spreadsheetml.worksheet+xml"/>'
            for n in range(1, len(names) + 1)
        )
        archive.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
            'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.'
            f'openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>{overrides}</Types>',
        )
        archive.writestr(
            "_rels/.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
            f'Id="r1" Type="{_REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        tags = "".join(
            f'<sheet name="{escape(name)}" sheetId="{n}" r:id="r{n}" '
            f'state="{"hidden" if name in hidden else "visible"}"/>'
            for n, name in enumerate(names, start=1)
        )
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{_NS}" xmlns:r="{_REL}"><sheets>{tags}</sheets></workbook>'
        )
        links = "".join(
            f'<Relationship Id="r{n}" Type="{_REL}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in range(1, len(names) + 1)
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f'{links}<Relationship Id="rs" Type="{_REL}/styles" Target="styles.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/styles.xml",
            f'<styleSheet xmlns="{_NS}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" '
            'applyNumberFormat="1"/></cellXfs></styleSheet>',
        )
        for n, name in enumerate(names, start=1):
            rows = "".join(
                f'<row r="{line}">{"".join(_cell(at, line, value) for at, value in enumerate(row))}</row>'
                for line, row in enumerate(sheets[name], start=first_row)
            )
            archive.writestr(
                f"xl/worksheets/sheet{n}.xml",
                f'<worksheet xmlns="{_NS}"><sheetData>{rows}</sheetData></worksheet>',
            )
    return out.getvalue()

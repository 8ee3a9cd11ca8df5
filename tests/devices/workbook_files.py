"""Workbooks written by hand, as programs write them that no test may need."""

import io
import zipfile
from typing import Any
from xml.sax.saxutils import escape, quoteattr

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
STRICT_MAIN = "http://purl.oclc.org/ooxml/spreadsheetml/main"
STRICT_RELATIONS = "http://purl.oclc.org/ooxml/officeDocument/relationships"


def archive_of(parts: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file.getvalue()


def cell(reference: str, value: Any) -> str:
    """A text, a number, or XML of one's own behind the attributes: `(' t="e"', "<v>#N/A</v>")`."""
    if isinstance(value, tuple):
        return f'<c r="{reference}"{value[0]}>{value[1]}</c>'
    if isinstance(value, str):
        text = escape(value)
        return f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    return f'<c r="{reference}"><v>{value}</v></c>'


def rows_of(*rows: Any) -> str:
    """The XML of rows of cells from A1 on; None is no cell."""
    return "".join(
        f'<row r="{number}">'
        + "".join(cell(f"{'ABCDEFGH'[n]}{number}", value) for n, value in enumerate(row) if value is not None)
        + "</row>"
        for number, row in enumerate(rows, start=1)
    )


def xlsx_of(
    rows: str,
    *,
    before: str = "",
    behind: str = "",
    shared: str = "",
    main: str = MAIN,
    relations: str = RELATIONS,
) -> bytes:
    """An .xlsx file of one sheet with that XML."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    return archive_of(
        {
            "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1"'
            f' Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>'
            '<sheet name="Phones" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
            f'<Relationship Id="rId1" Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/>'
            f'<Relationship Id="rId2" Type="{relations}/sharedStrings" Target="sharedStrings.xml"/>'
            "</Relationships>",
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}">{before}<sheetData>{rows}</sheetData>{behind}'
            "</worksheet>",
            "xl/sharedStrings.xml": f'<sst xmlns="{main}">{shared}</sst>',
        }
    )


def ods_of(**tables: str) -> bytes:
    """An .ods file with the XML of each table's rows; one whose name begins with `Hidden` is hidden."""
    office = "urn:oasis:names:tc:opendocument:xmlns"
    named = "".join(
        f"<table:table table:name={quoteattr(name)} table:style-name={quoteattr(style)}>{rows}</table:table>"
        for name, rows in tables.items()
        for style in ["ta2" if name.startswith("Hidden") else "ta1"]
    )
    styles = "".join(
        f'<style:style style:name="{name}" style:family="table"><style:table-properties table:display="{shown}"/>'
        "</style:style>"
        for name, shown in (("ta1", "true"), ("ta2", "false"))
    )
    return archive_of(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": f'<office:document-content xmlns:office="{office}:office:1.0"'
            f' xmlns:table="{office}:table:1.0" xmlns:text="{office}:text:1.0" xmlns:style="{office}:style:1.0"'
            ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
            f' office:version="1.3"><office:automatic-styles>{styles}</office:automatic-styles>'
            f"<office:body><office:spreadsheet>{named}</office:spreadsheet></office:body>"
            "</office:document-content>",
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{office}:manifest:1.0">'
            '<manifest:file-entry manifest:full-path="/" manifest:media-type='
            '"application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>',
        }
    )


def ods_row(*values: Any, repeated: int = 1) -> str:
    """A row; a tuple is the attributes and the content of a cell."""
    cells = []
    for value in values:
        match value:
            case None:
                cells.append("<table:table-cell/>")
            case (attributes, content):
                cells.append(f"<table:table-cell {attributes}>{content}</table:table-cell>")
            case str():
                text = escape(value)
                cells.append(
                    f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>'
                )
            case _:
                cells.append(f'<table:table-cell office:value-type="float" office:value="{value}"/>')
    return f'<table:table-row table:number-rows-repeated="{repeated}">{"".join(cells)}</table:table-row>'

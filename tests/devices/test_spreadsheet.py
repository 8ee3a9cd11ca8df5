"""Files as spreadsheet programs and people make them."""

import io
import zipfile
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from devices.imports import spreadsheet
from devices.imports.spreadsheet import Line, Unreadable

HEADER = b"mac,group,location,description\n"


def lines_of(data: bytes) -> list[Line]:
    return list(spreadsheet.read(data).lines)


def problem_of(data: bytes) -> str:
    with pytest.raises(Unreadable) as raised:
        lines_of(data)
    return str(raised.value)


def book_of(*rows: Any) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"mac,group,location,description\n00908F00000A,Acme,https://a.example/,Lobby\n",
        b"\xef\xbb\xbfmac,group,location,description\r\n00908F00000A,Acme,https://a.example/,Lobby\r\n",
        b"mac;group;location;description\n00908F00000A;Acme;https://a.example/;Lobby",
        b"mac\tgroup\tlocation\tdescription\n00908F00000A\tAcme\thttps://a.example/\tLobby",
        b"Description, LOCATION ,Group, Mac \nLobby,https://a.example/, Acme , 00908F00000A \n",
        b'"mac","group","location","description"\r"00908F00000A","Acme","https://a.example/","Lobby"\r',
        "mac;group;location;description\n00908F00000A;Acme;https://a.example/;Lobby".encode("utf-16"),
        b"mac,group,location,description,more\n00908F00000A,Acme,https://a.example/,Lobby,x,y,z\n",
    ],
)
def test_a_csv_file_in_any_dress(data: bytes) -> None:
    assert lines_of(data) == [Line(2, "00908F00000A", "Acme", "https://a.example/", "Lobby")]


def test_a_hint_of_the_separator_is_obeyed() -> None:
    assert lines_of(b"sep=;\r\nmac;group\r\n00908F00000A;A,B\r\n") == [Line(3, "00908F00000A", "A,B", "", "")]


def test_what_is_no_utf8_is_western_european() -> None:
    assert lines_of("mac,group\n00908F00000A,Müller\n".encode("cp1252"))[0].group == "Müller"


def test_lines_are_numbered_as_the_file_has_them() -> None:
    data = b'\n\nmac,group,description\n\n00908F00000A,Acme,"two\nlines"\n,,\n00908F00000B,Acme,x\n'
    assert [(line.number, line.mac) for line in lines_of(data)] == [(5, "00908F00000A"), (8, "00908F00000B")]
    rows: Any = [None], [], ["mac"], [None], ["00908F00000A"], [], ["00908F00000B"]
    assert [line.number for line in lines_of(book_of(*rows))] == [5, 7]


def test_columns_that_mean_nothing_are_named() -> None:
    assert spreadsheet.read(b"mac,Serial No,group,\n1,2,3,4\n").ignored == ["Serial No"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("00 90 8f\u00a000 00 0A", "00908f00000A"),
        (908001122334, "908001122334"),
        (1122334455, "001122334455"),
        (1122334455.0, "001122334455"),
        (12, "12"),
        (None, ""),
        ("'-1", "-1"),
    ],
)
def test_a_mac_as_a_spreadsheet_has_it(cell: Any, text: str) -> None:
    assert lines_of(book_of(["mac", "group"], [cell, "Acme"]))[0].mac == text


def test_a_whole_number_is_an_id() -> None:
    line = lines_of(book_of(["mac", "group", "location"], ["x", 12.0, 7]))[0]
    assert (line.group, line.location) == ("12", "7")
    assert all(map(spreadsheet.is_id, ["12", "12.0", "7"]))
    assert not any(map(spreadsheet.is_id, ["", "12.5", "-1", "x", "1" * 19, "\u0661"]))


def test_a_formula_counts_with_its_result() -> None:
    """openpyxl writes none, so that there is nothing."""
    assert lines_of(book_of(["mac", "group"], ["x", "=1+1"]))[0].group == ""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "The file is empty."),
        (b"\n\n", "The file is empty."),
        (b"mac,group\n", "no rows below it"),
        (b"a,group\n1,2\n", "one of them must be mac"),
        (b"mac,group, MAC\n1,2,3\n", "The column mac stands in the first line twice."),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "neither a csv nor an xlsx"),
        (b"mac\n\x81\x8d", "neither a csv nor an xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Save it as .xlsx or .csv."),
        (b"PK\x03\x04 and nothing more", "cannot be read as .xlsx"),
        (b"mac\n" + b"x" * 200_000 + b"\n", "no csv file that can be read"),
        (b"mac\n" + b"x\n" * (spreadsheet.MOST_ROWS + 1), "more than 100,000 rows"),
        (b"x" * (spreadsheet.MOST_BYTES + 1), "larger than 20 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_a_sentence(data: bytes, said: str) -> None:
    assert said in problem_of(data)


def test_a_small_file_that_is_large_when_unpacked_is_refused() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/workbook.xml", "w") as part:
        for _ in range(201):
            part.write(b"0" * 1_000_000)
    assert len(bomb.getvalue()) < 1_000_000
    assert "too large when unpacked" in problem_of(bomb.getvalue())


def test_an_archive_that_is_no_workbook_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "cannot be read as .xlsx" in problem_of(file.getvalue())


@given(st.binary(max_size=300))
def test_any_bytes_are_lines_or_a_sentence(data: bytes) -> None:
    for whole in (data, HEADER + data):
        with suppress(Unreadable):
            assert all("\0" not in text for line in lines_of(whole) for text in line[1:])

"""Files as spreadsheet programs and people make them."""

import io
import zipfile
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
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


def test_a_text_that_reaches_beyond_the_last_column_is_a_problem_of_its_row() -> None:
    """Else a part of it would be taken, and the rest lost without a word."""
    data = b'mac,group,description\n00908F00000A,Acme,Lobby, 2nd floor\n00908F00000B,Acme,"Lobby, left",, \n'
    broken, good = lines_of(data)
    assert broken.problem.startswith("Behind the last column stands “2nd floor”.")
    assert (good.description, good.problem) == ("Lobby, left", "")


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
        ("00 90 8f\u00a000 00 0A", "00 90 8f 00 00 0A"),
        (908001122334, "908001122334"),
        (1122334455, "1122334455"),
        (1122334455.0, "1122334455"),
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
    others = ["", "12.5", "12.00", "-1", "x", "1" * 19, "\u0661", "0012", "012.0", "0", "1e3"]
    assert not any(map(spreadsheet.is_id, others))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "The file is empty."),
        (b"\n\n", "The file is empty."),
        (b"mac,group\n", "no rows below it"),
        (b"a,group\n1,2\n", "one of them must be mac"),
        (b"mac,group, MAC\n1,2,3\n", "The column mac stands in the first line twice."),
        (b"\x00\x01", "neither a csv nor an xlsx"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "This is a picture"),
        (b"mac\n\x81\x8d", "neither a csv nor an xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Save it as .xlsx or .csv."),
        (b"PK\x03\x04 and nothing more", "cannot be read as .xlsx"),
        (b"%PDF-1.7\n", "This is a PDF document"),
        (b"\xef\xbb\xbf<html><table><tr><td>mac</td></tr></table>", "This is a web page"),
        (b'mac,group\nA,"B', "Line 2: a quotation mark opens a cell there and does not close it"),
        (b'mac,group\nA,B\nC,"D" E\n', "Line 3: text follows a quotation mark that closes a cell"),
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


@pytest.mark.parametrize("more", [b"", b"00908F00000B,Acme,,Hall\n"])
def test_a_quotation_mark_that_is_never_closed_is_refused_with_its_line(more: bytes) -> None:
    said = problem_of(HEADER + b'00908F00000A,Acme,,"Lobby\n00908F00000C,Acme,,Hall\n' + more)
    assert "Line 2: a quotation mark opens a cell there and does not close it" in said


def test_rows_between_two_marks_that_are_no_pair_are_refused() -> None:
    """Each mark alone would be a text: an inch, and one that was forgotten."""
    said = problem_of(HEADER + b'00908F00000A,Acme,,"Lobby\n00908F00000B,Acme,,Hall\n00908F00000C,Acme,,27"\n')
    assert "Line 2: a quotation mark opens a cell there" in said


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (b'27" monitor', '27" monitor'),
        (b'"27"" monitor"', '27" monitor'),
        (b' "Lobby, left"', "Lobby, left"),
        (b'"two\r\nlines"', "two\nlines"),
        (b'"two_x000D_\nlines_x000D_"', "two\nlines"),
        (b'"from 00908F00000B,\nmoved"', "from 00908F00000B,\nmoved"),
        ("\u00a0a\u00a0b ".encode(), "a b"),
        ("Mu\u0308ller".encode(), "M\u00fcller"),
        (b"'=1+1", "=1+1"),
        (b"''=1+1", "'=1+1"),
        (b"x;'=1+1", "x;=1+1"),
    ],
)
def test_a_text_as_people_and_programs_write_it(cell: bytes, text: str) -> None:
    assert lines_of(HEADER + b"00908F00000A,Acme,," + cell + b"\n") == [Line(2, "00908F00000A", "Acme", "", text)]


@pytest.mark.parametrize(
    "head",
    [
        b"\xef\xbb\xbf\xef\xbb\xbfMAC Address;Group\n",
        b"mac_address;customer\n",
        b"MAC-Address *;GROUP\n",
        b"\n",
    ],
)
def test_a_first_line_in_any_dress(head: bytes) -> None:
    title = b"Phones of Acme, Berlin, Munich, and Rome;\n;\n" if head == b"\n" else b""
    head = head if title == b"" else title + b"Mac;Group\n"
    line = lines_of(head + b"00:90:8F:00:00:0A;A, B, C\n")[0]
    assert (line.mac, line.group) == ("00:90:8F:00:00:0A", "A, B, C")


def test_of_two_columns_for_one_the_nearer_name_is_taken() -> None:
    sheet = spreadsheet.read(b"Device Name,MAC Address,Description,Group\nphone,00908F00000A,Lobby,Acme\n")
    assert sheet.ignored == ["Device Name"]
    assert list(sheet.lines) == [Line(2, "00908F00000A", "Acme", "", "Lobby")]


def test_a_control_character_is_a_problem_of_its_row() -> None:
    lines = lines_of(HEADER + b"00908F00000A,Acme,,a\x07b\n00908F00000B,Acme,,ok\n00908F00000C,A\x0bB,,\n")
    assert [line.problem for line in lines] == [
        "The description has a control character (U+0007). Remove it.",
        "",
        "The group has a control character (U+000B). Remove it.",
    ]
    assert lines[0].description == "a\ufffdb"


def test_an_archive_that_is_no_workbook_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "cannot be read as .xlsx" in problem_of(file.getvalue())


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_lines_or_a_sentence(data: bytes) -> None:
    for whole in (data, HEADER + data):
        with suppress(Unreadable):
            assert all("\0" not in text for line in lines_of(whole) for text in line[1:5])

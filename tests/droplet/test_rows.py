"""Only rows of predictions are taken from a dump's text."""

from __future__ import annotations

import io

import pytest

from droplet import rows
from droplet.postgres import COLUMNS

BEGIN = f"COPY public.predictions ({COLUMNS}) FROM stdin;\n".encode()
TIME = b"2026-11-01 10:00:00+00"
GOOD = TIME + b"\t1\t2\n"


def taken(*lines: bytes) -> tuple[bool, bytes]:
    into = io.BytesIO()
    whole = rows.take(io.BytesIO(b"".join(lines)), into)
    return whole, into.getvalue()


@pytest.mark.parametrize(
    "row",
    [
        GOOD,
        b"2026-11-01 10:00:00.123456-03:30\t0\t9\n",
        b"0044-03-15 12:00:00+00:53:28 BC\t1\t1\n",
        b"-infinity\t1\t1\n",
    ],
)
def test_a_row_is_taken(row: bytes) -> None:
    assert taken(b"SET x = 1;\n", BEGIN, row, b"\\.\n", b"\n-- end\n") == (True, row)


@pytest.mark.parametrize("end", [b"x", b" ", b"3", b"\r", b"\\.", b"\\! id", b"\t3", b"\0"])
def test_a_row_with_anything_behind_its_digits_is_refused(end: bytes) -> None:
    with pytest.raises(rows.Foreign, match="row 2"):
        taken(BEGIN, GOOD, GOOD[:-1] + end + b"\n", b"\\.\n")


@pytest.mark.parametrize("start", [b"\\! id ", b" ", b"x", b"\0"])
def test_a_row_with_anything_before_its_time_is_refused(start: bytes) -> None:
    with pytest.raises(rows.Foreign, match="row 1"):
        taken(BEGIN, start + GOOD, b"\\.\n")


@pytest.mark.parametrize("after", [b"DROP TABLE x;\n", b"\\! id\n", b"\\.\n", b" \n"])
def test_anything_behind_the_rows_is_refused(after: bytes) -> None:
    with pytest.raises(rows.Foreign, match="more than the rows"):
        taken(BEGIN, GOOD, b"\\.\n", after)


def test_other_columns_are_refused() -> None:
    with pytest.raises(rows.Foreign, match="columns"):
        taken(b"COPY public.predictions (a, b) FROM stdin;\n", GOOD)


@pytest.mark.parametrize("lines", [(), (BEGIN,), (BEGIN, GOOD)])
def test_a_text_that_ends_early_is_no_dump(lines: tuple[bytes, ...]) -> None:
    assert not taken(*lines)[0]

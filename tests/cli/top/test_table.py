"""Lines keep their width whatever is in them, and tables shed what there is no room for."""

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from aura_actors.cli.top.marks import UNICODE
from aura_actors.cli.top.table import Column, Section, beside, fit, heading, pair, said, table

WIDTH = st.integers(0, 120)
ANY_TEXT = st.text(max_size=60)
COLUMNS = (Column(name="Name", yields=True), Column(name="Size", right=True), Column(name="Owner", wide=30))


@given(ANY_TEXT, ANY_TEXT, WIDTH)
def test_a_line_is_exactly_as_wide_as_asked(left: str, right: str, width: int) -> None:
    section = Section(title=left, aside=right, lines=[])
    for line in (fit(said(left), width), pair(left, right, width), heading(section, width, UNICODE)):
        assert line.cell_len == width


@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT, ANY_TEXT), max_size=4), WIDTH)
def test_a_row_is_exactly_as_wide_as_asked(rows: list[tuple[str, str, str]], width: int) -> None:
    assert {line.cell_len for line in table(COLUMNS, rows, width)} == {width}


def test_nothing_that_is_said_moves_the_cursor() -> None:
    assert said("a\x1b[2Jb\nc").plain == "a\\x1b[2Jb\\nc"


def test_a_column_gives_way_before_the_others_do() -> None:
    lines = table(COLUMNS, [("a-very-long-name", "12 GiB", "me")], 18)
    assert [line.plain for line in lines] == ["Name          Size", "a-very-lo…  12 GiB"]


def test_the_last_that_yields_is_cut_first() -> None:
    two = (Column(name="A", yields=True), Column(name="B", yields=True))
    assert table(two, [("a-long-name", "b-long-name")], 20)[1].plain == "a-long-name  b-long…"


def test_a_column_is_there_where_it_has_room() -> None:
    assert "Owner" in table(COLUMNS, [("n", "1", "me")], 30)[0].plain
    assert "Owner" not in table(COLUMNS, [("n", "1", "me")], 29)[0].plain


def test_a_heading_reaches_from_edge_to_edge() -> None:
    assert heading(Section(title="CPU", aside="8 cores", lines=[]), 20, UNICODE).plain == "CPU ──────── 8 cores"
    assert heading(Section(title="CPU", lines=[]), 10, UNICODE).plain == "CPU ──────"


def test_columns_stand_side_by_side_though_one_is_shorter() -> None:
    lines = beside([[Text("a"), Text("b")], [Text("c")]], [2, 3])
    assert [line.plain for line in lines] == ["a    c  ", "b       "]

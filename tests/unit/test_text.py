"""Text from strangers, made safe to show."""

from hypothesis import given
from hypothesis import strategies as st

from runner.text import clean, cut, one_line


def test_colours_titles_and_overrides_go_and_words_stay() -> None:
    hostile = "a\x1b[31mred\x1b[0m \x1b]0;title\x07b\x9b1mc\u202e\u2066d\r\ne\tf\x00\u2028g"
    assert clean(hostile) == "ared bcd\ne\tfg"


@given(st.text())
def test_nothing_that_moves_a_cursor_is_left(text: str) -> None:
    kept = clean(text)
    assert all(c in "\n\t" or not (ord(c) < 32 or 127 <= ord(c) < 160) for c in kept)
    assert clean(kept) == kept
    kept.encode()


@given(st.text(), st.integers(2, 50))
def test_one_line_is_one_line_and_short(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert "\n" not in line
    assert len(line) <= limit


def test_what_is_cut_is_marked() -> None:
    assert cut("12345", 4) == "123…"
    assert cut("1234", 4) == "1234"
    assert one_line("\n\n  \n  first  words\nsecond", 160) == "first words"

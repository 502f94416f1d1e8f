"""Text from strangers becomes HTML that can do nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.demo.github.render import diff_files, markdown


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<details ontoggle=alert(1) open>x</details>",
        "<details/onclick=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](http://evil.example/x.png)",
        "<!-- <script> --> <a href=javascript:alert(1)>x</a>",
        "<sv<b>g onload=alert(1)>",
        "<b\nonclick=alert(1)>x",
        '"><form action=/-/act>',
        "`<script>`",
        "<!-- never closed <script>alert(1)</script>",
    ],
)
def test_hostile_text_stays_text(text: str) -> None:
    assert_harmless(str(markdown(text)))


@given(st.text(alphabet="<>!-/ab\"'=\n details\x1b`[]()&;on:", max_size=60))
def test_any_text_stays_text(text: str) -> None:
    assert_harmless(str(markdown(text)))


def assert_harmless(html: str) -> None:
    """Every tag is one of Markdown's own or a harmless one, with no attribute that we did not write."""
    for tag in re.findall(r"<[^>]*>?", html):
        assert re.fullmatch(
            r"</?(p|br|b|i|em|strong|code|pre|h[1-6]|ul|ol|li|hr|blockquote|details|summary|sub|sup|kbd|s"
            r"|table|thead|tbody|tr|th|td)( open)?( start=\"\d+\")?( class=\"(task|language-[^\"<>]*)\")?"
            r"( style=\"text-align:\w+\")?( /)?>"
            r"|<a href=\"(?!javascript|data|vbscript)[^\"<>]*\"( title=\"[^\"<>]*\")?>|</a>"
            r"|<input type=\"checkbox\" disabled( checked)?>",
            tag,
        ), tag


def test_what_a_status_comment_uses_is_pleasant() -> None:
    html = str(
        markdown("<!-- cco:task=7 -->\n- [x] read\n- [ ] mend\n\n<details><summary>Log</summary>\n\nran\n\n</details>")
    )
    assert "cco:task" not in html
    assert html.count("checkbox") == 2
    assert html.count(" checked") == 1
    assert "<details><summary>Log</summary>" in html
    assert "</details>" in html
    assert "&lt;!-- kept --&gt;" in str(markdown("`<!-- kept -->`"))


def test_a_difference_is_told_by_file_and_line() -> None:
    patch = (
        "diff --git a/a b.txt b/a b.txt\nindex 1..2 100644\n--- a/a b.txt\n+++ b/a b.txt\n@@ -1,2 +1,3 @@\n one\n"
        "--- two\n"
        "+++ two\n+three\n\\ No newline at end of file\ndiff --git a/x b/x\nnew file mode 100644\nBinary files differ\n"
    )
    first, second = diff_files(patch)
    assert (first.path, first.added, first.deleted) == ("a b.txt", 2, 1)
    assert first.lines[1:5] == [
        ("same", "1", " one"),
        ("del", "", "--- two"),
        ("add", "2", "+++ two"),
        ("add", "3", "+three"),
    ]
    assert second.lines == [("meta", "", "new file mode 100644"), ("meta", "", "Binary files differ")]

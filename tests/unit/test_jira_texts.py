"""Jira's wiki text and documents, read into Markdown and written from it: what is shown, and nothing more."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import adf, adf_writing, wiki, wiki_writing
from handlers.commands import Command, Verb, parse
from handlers.rich_text import markdown_of
from handlers.sanitize import neutralise, visible
from tests.fakes.jira import not_adf


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("h1. Title\nText", "# Title\n\nText"),
        ("*bold* _em_ -gone- +new+ ^up^ ~down~ ??cite??", "**bold** *em* ~~gone~~ new up down *cite*"),
        ("a-b_c * d", "a-b_c \\* d"),
        ("{{mono}} and {{a*b}}", "`mono` and `a*b`"),
        (
            "[text|https://e.example/a?b=c|tip] [https://e.example]",
            "[text](<https://e.example/a?b=c>) <https://e.example>",
        ),
        (
            "[mail|mailto:a@b.c] [^log.txt] [#here] [no link]",
            "[mail](<mailto:a@b.c>) log.txt \\[#here\\] \\[no link\\]",
        ),
        ("ask [~anna] and [~accountid:5b10:ben]", "ask @anna and @5b10:ben"),
        ("* one\n** two\n*** three\n* four", "- one\n  - two\n    - three\n- four"),
        ("# one\n## two\n#* three", "1. one\n   1. two\n   - three"),
        ("- one\n- two\nmore of two", "- one\n- two\n  more of two"),
        (
            "||a||b||\n|1|2|\n|[x|https://y.z]|{{p|q}}|",
            "| a | b |\n| --- | --- |\n| 1 | 2 |\n| [x](<https://y.z>) | `p\\|q` |",
        ),
        ("|1|2|", "|  |  |\n| --- | --- |\n| 1 | 2 |"),
        ("before {quote}said\n\nmore{quote} after", "before\n\n> said\n>\n> more\n\nafter"),
        ("bq. said", "> said"),
        ("{code:java|title=x}\nint a = {b};\n{code}", "```java\nint a = {b};\n```"),
        ("{code:title=a.py|language=python}x{code}", "```python\nx\n```"),
        ("{noformat}\n*not bold* ```\n{noformat}", "````\n*not bold* ```\n````"),
        ("{code}never closed *b*", "{code}never closed **b**"),
        ("{panel:title=Mind this}\ntext\n{panel}", "**Mind this**\n\ntext"),
        ("{color:red}hot{color} {anchor:x}", "hot "),
        ("!shot.png|thumbnail! !https://e.example/a.png!", "(image: shot.png) [image](<https://e.example/a.png>)"),
        ("one\\\\two \\*three\\*", "one\ntwo \\*three\\*"),
        ("----", "---"),
        ("https://e.example/a_b_c (see)", "<https://e.example/a_b_c> (see)"),
        ("<script>alert(1)</script> <!-- hidden -->", "\\<script>alert(1)\\</script> \\<!-- hidden -->"),
        ("a\u200bb\u202ec\x1b[31m", "abc\\[31m"),
        ("&lt; &#64; & c", "&amp;lt; &amp;#64; & c"),
        ("", ""),
    ],
)
def test_wiki_text_is_read(text: str, markdown: str) -> None:
    assert wiki.read(text).strip() == markdown.strip()


def node(kind: str, *content: Any, **attrs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind}
    if attrs:
        found["attrs"] = attrs
    if content:
        found["content"] = [{"type": "text", "text": one} if isinstance(one, str) else one for one in content]
    return found


def marked(words: str, *marks: str | dict[str, Any]) -> dict[str, Any]:
    return {"type": "text", "text": words, "marks": [{"type": one} if isinstance(one, str) else one for one in marks]}


P = "paragraph"
LINK = {"type": "link", "attrs": {"href": "https://e.example/a(b)"}}


@pytest.mark.parametrize(
    ("content", "markdown"),
    [
        ([node("heading", "Title", level=2), node(P, "Text")], "## Title\n\nText"),
        ([node(P, "a ", marked("b", "strong"), " ", marked("c", "em", "strike"))], "a **b** ~~*c*~~"),
        ([node(P, marked(" spaced ", "strong"), marked("x*y", "code"))], "**spaced** `x*y`"),
        ([node(P, marked("site", LINK))], "[site](<https://e.example/a(b)>)"),
        (
            [node(P, marked("evil", {"type": "link", "attrs": {"href": "https://e.example/> x"}}))],
            "[evil](<https://e.example/%3E%20x>)",
        ),
        ([node(P, "hi ", node("mention", id="5b", text="@Anna B"), node("hardBreak"), "next")], "hi @Anna B\nnext"),
        ([node(P, node("emoji", shortName=":smile:", text="😄"), node("status", text="DONE"))], "😄DONE"),
        (
            [node(P, node("date", timestamp="1764028800000"), node("inlineCard", url="https://e.example/x"))],
            "2025-11-25<https://e.example/x>",
        ),
        (
            [
                node(
                    "bulletList",
                    node("listItem", node(P, "one"), node("orderedList", node("listItem", node(P, "in")), order=3)),
                    node("listItem", node(P, "two")),
                )
            ],
            "- one\n  3. in\n- two",
        ),
        (
            [node("taskList", node("taskItem", "done", state="DONE"), node("taskItem", "open", state="TODO"))],
            "- [x] done\n- [ ] open",
        ),
        ([node("codeBlock", "a = `b`\n```", language="python")], "````python\na = `b`\n```\n````"),
        ([node("blockquote", node(P, "said"), node(P, "more"))], "> said\n>\n> more"),
        ([node("panel", node(P, "mind"), panelType="info")], "mind"),
        ([node("expand", node(P, "inside"), title="More")], "**More**\n\ninside"),
        ([node("rule")], "---"),
        (
            [
                node(
                    "table",
                    node("tableRow", node("tableHeader", node(P, "h"))),
                    node("tableRow", node("tableCell", node(P, "a|b"))),
                )
            ],
            "| h |\n| --- |\n| a\\|b |",
        ),
        ([node("mediaSingle", node("media", id="1", alt="shot.png"))], "(attachment: shot.png)"),
        ([node("layoutSection", node("layoutColumn", node(P, "col")))], "col"),
        ([node("someNewBlock", node(P, "kept")), node("someNewThing")], "kept"),
        ([node(P, "<b>x</b> _y_ [z](w)")], "\\<b>x\\</b> \\_y\\_ \\[z\\](w)"),
    ],
)
def test_a_document_is_read(content: list[Any], markdown: str) -> None:
    assert adf.read({"type": "doc", "version": 1, "content": content}) == markdown


@pytest.mark.parametrize(
    "broken",
    [
        None,
        7,
        [],
        {},
        {"content": None},
        {"content": [None, 3, {"type": 3}]},
        {"type": "doc", "content": [{"type": "text", "text": {"a": 1}}]},
        {"content": [{"type": "heading", "attrs": {"level": "x"}, "content": 3}]},
        {"content": [{"type": "paragraph", "content": [{"type": "text", "text": "x", "marks": "y"}]}]},
    ],
)
def test_what_is_no_document_breaks_nothing(broken: object) -> None:
    assert isinstance(markdown_of(broken), str)


def test_a_document_as_deep_as_a_well_breaks_nothing() -> None:
    deep: dict[str, Any] = node(P, "bottom")
    for _ in range(400):
        deep = node("blockquote", deep)
    assert isinstance(adf.read(node("doc", deep)), str)


@pytest.mark.parametrize("kind", ["wiki", "document"])
def test_commands_are_heard_where_they_are_said_and_not_where_they_are_spoken_of(kind: str) -> None:
    wiki_text = "Hello\n/claude repo octo/my_repo\n{code}\n/claude stop\n{code}\n{quote}/claude stop{quote}"
    document = node(
        "doc",
        node(P, "Hello", node("hardBreak"), "/claude repo octo/my_repo"),
        node("codeBlock", "/claude stop"),
        node("blockquote", node(P, "/claude stop")),
    )
    (command,) = parse(markdown_of(wiki_text if kind == "wiki" else document))
    assert command.verb is Verb.instruct
    assert command.text.startswith("repo octo/my_repo")
    assert parse(markdown_of("/claude stop")) == (Command(Verb.stop),)


OURS = """\
### Claude is working on *this*

- [x] done
- [ ] **open** with `co{d}e`
  1. inner

| | |
| --- | --- |
| `/claude` | tell |

> quoted **words**
> > deeper

```py
print("{code}")
```

```brainf
x
```

Ask [~anna] or @\u2060ben: [here](https://e.example/?a=b|c) or [bad](ftp://x) ~~no~~ ![alt](https://e.example/i.png)

---
<sub>1 commit · <b>x</b></sub> <!-- cco:task=1 -->
"""


def test_our_markdown_is_written_as_wiki_text() -> None:
    assert wiki_writing.write(OURS) == (
        "h3. Claude is working on _this_\n\n"
        "* ☑ done\n* ☐ *open* with {{co\\{d\\}e}}\n*# inner\n\n"
        "| {{/claude}} | tell |\n\n"
        "{quote}\nquoted *words*\n\ndeeper\n{quote}\n\n"
        '{code:python}\nprint("{\u2060code}")\n{code}\n\n'
        "{noformat}\nx\n{noformat}\n\n"
        "Ask \\[\\~anna\\] or @\u2060ben: [here|https://e.example/?a=b%7Cc] or bad -no- [image|https://e.example/i.png]\n\n"
        "----\n\n"
        "1 commit · x"
    )


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("a *b* _c_ {d} [e] |f| !g!", "a \\*b\\* \\_c\\_ \\{d\\} \\[e\\] \\|f\\| \\!g\\!"),
        ("snake_case a-b 2*3", "snake_case a-b 2*3"),
        ("--json -x", "\\-\\-json \\-x"),
        ("C:\\temp", "C:&#92;temp"),
        ("h1. no\n# no\n* no\nbq. no", "h1\u2060. no\n\\# no\n\\* no\nbq\u2060. no"),
        ("(x) (/) :) what??", "\\(x) \\(/) \\:) what\\??"),
    ],
)
def test_plain_words_stay_plain_in_wiki_text(words: str, written: str) -> None:
    assert wiki_writing.escape(words) == written


def test_our_markdown_is_written_as_a_document_that_cloud_takes() -> None:
    document = adf_writing.write(OURS)
    assert not_adf(document) == ""
    text = json.dumps(document, ensure_ascii=False)
    assert "mention" not in text
    assert "ftp:" not in text
    assert "cco:task" not in text
    assert adf.read(document).startswith(
        "### Claude is working on *this*\n\n- ☑ done\n- ☐ **open** with `co{d}e`\n  1. inner"
    )


def test_what_is_too_long_loses_its_end_and_says_so() -> None:
    long = "\n\n".join(f"Paragraph {number} *with* words" for number in range(5_000))
    written = wiki_writing.write(long)
    assert len(written) <= wiki_writing.LIMIT
    assert written.startswith("Paragraph 0 _with_ words")
    assert written.endswith("…")
    document = adf_writing.write(long)
    assert len(json.dumps(document)) <= adf_writing.LIMIT
    assert not_adf(document) == ""
    assert wiki_writing.write("```\n" + "x" * 50_000 + "\n```") == "…"


@pytest.mark.parametrize(
    "piece",
    ["{{", "*a ", "[", "{code:a}", "{quote}", "|{{", "|[", "h1. ", "_a", "!a", "{panel:title=", "??a", "* ", "\\\\"],
)
def test_what_somebody_wrote_to_waste_our_time_wastes_little(piece: str) -> None:
    began = time.monotonic()
    markdown = wiki.read(piece * (32_000 // len(piece)))
    visible(markdown)
    assert time.monotonic() - began < 5  # on a loaded machine; it takes a tenth of a second


PIECES = st.sampled_from(
    [*"*_-+^~{}[]|!\\#?`<>&@:;()/\n \t.hbq123", "{code}", "{quote}", "||", "~~", "```", "[~", "{{", "h1. "]
)
NASTY = st.lists(PIECES | st.characters(codec="utf-8"), max_size=80).map("".join)


@given(NASTY)
def test_no_text_breaks_reading_or_writing(text: str) -> None:
    markdown = wiki.read(text)
    visible(markdown)
    parse(markdown)
    assert not_adf(adf_writing.write(neutralise(text))) == ""
    assert not_adf(adf_writing.write(text)) == ""
    adf.read(adf_writing.write(text))
    wiki.read(wiki_writing.write(text))


@given(NASTY)
def test_nobody_is_mentioned_by_what_we_write(text: str) -> None:
    written = wiki_writing.write(text)
    opened = [at for at in range(len(written)) if written.startswith("[~", at)]
    assert all(at and written[at - 1] == "\\" for at in opened) or "{noformat}" in written or "{code" in written


NAMES = st.sampled_from(["type", "content", "attrs", "text", "marks", "level", "url"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=30,
)  # fmt: skip
BLOCKS = [
    "paragraph",
    "heading",
    "bulletList",
    "orderedList",
    "listItem",
    "table",
    "tableRow",
    "tableCell",
    "codeBlock",
]
KINDS = st.sampled_from([*BLOCKS, "text", "mention", "date", "taskList", "taskItem", "expand", "media"])
TREES = st.recursive(
    st.fixed_dictionaries({"type": KINDS, "text": JSON, "attrs": JSON, "marks": JSON}),
    lambda inner: st.fixed_dictionaries({"type": KINDS, "content": st.lists(inner, max_size=4), "attrs": JSON}),
    max_leaves=20,
)


@given(JSON, TREES)
def test_no_document_breaks_reading(anything: Any, tree: Any) -> None:
    assert isinstance(markdown_of(anything), str)
    assert isinstance(markdown_of({"type": "doc", "content": [tree]}), str)

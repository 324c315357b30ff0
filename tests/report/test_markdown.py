"""Markdown shows what users wrote as it is."""

from __future__ import annotations

import pytest

from report.dossiers import of, run
from wayframe.report.build import build_document
from wayframe.report.document import Document, Paragraph, Row, Section, Table, code, strong, words
from wayframe.report.markdown import escape, inline, markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("*not* _this_", r"\*not\* \_this\_"),
        ("<b>", r"\<b\>"),
        ("two\nlines", "two lines"),
        ("[link](x)", r"\[link\](x)"),
    ],
)
def test_plain_text_keeps_its_signs(text: str, shown: str) -> None:
    assert escape(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"), [("a", "`a`"), ("a`b", "``a`b``"), ("`a`", "`` `a` ``"), (" ", "`   `"), ("a\nb", "`a b`")]
)
def test_code_is_fenced_by_more_ticks_than_it_holds(text: str, shown: str) -> None:
    assert inline(words(code(text))) == shown


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    table = Table(head=("x",), rows=(Row(cells=(words(code("a|b")),)), Row(cells=(words("c|d"),))))
    text = markdown(Document(title="t", verdict="", lead=(table,), sections=()))
    assert "| `a\\|b` |" in text
    assert "| c\\|d |" in text


def test_marks_stand_close_to_their_words() -> None:
    assert inline(words(strong(" wide "))) == " **wide** "


def test_folded_parts_are_folded_and_their_titles_escaped() -> None:
    inner = Section(title="<b>", blocks=(Paragraph(text=words("in")),), anchor="x", folded=True)
    text = markdown(Document(title="t", verdict="", lead=(), sections=(inner,)))
    assert "<details><summary>&lt;b&gt;</summary>\n\nin\n\n</details>" in text


def test_a_hostile_prompt_stays_text() -> None:
    text = markdown(build_document(of(run("a", prompt="x"), run("b", prompt="<script>alert(1)</script> | **y**"))))
    assert "<script>" not in text
    assert r"\<script\>alert(1)\</script\> \| \*\*y\*\*" in text

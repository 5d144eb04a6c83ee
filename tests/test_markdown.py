import pytest

from twinverify.markdown import code, plain


@pytest.mark.parametrize("text", ["glca_heads", "0.05 to 0.5, log", "val/twin_eer", "a <b> c"])
def test_ordinary_names_are_code_as_they_stand(text: str) -> None:
    assert code(text) == f"`{text}`"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`<script>`", r"\`\<script\>\`"),
        ("x | y", r"x \| y"),
        ("![x](http://evil.example/x.png)", r"!\[x\](http://evil.example/x.png)"),
        ("a\n# head", r"a\\n# head"),
        ("&lt;b&gt;", r"\&lt;b\&gt;"),
        ("0.05 to 0.5, log", "0.05 to 0.5, log"),
    ],
)
def test_markup_is_shown_letter_by_letter(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_nothing_ends_the_code_that_it_stands_in() -> None:
    assert code("a` <img src=x> `b") == r"a\` \<img src=x\> \`b"
    assert code(" ") == " "

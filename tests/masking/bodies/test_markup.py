"""HTML and XML as browsers read them (HTML standard, section 13.2.5): no spelling hides a value."""

from __future__ import annotations

import contextlib
import html
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.masking import Masker
from policy_middleware.model.errors import MaskError
from tests.masking.cutting import EMAIL, TEXTS_ONLY, fragments, many

CARDS = Masker.from_spec({"entities": {"CREDIT_CARD": "replace", "EMAIL_ADDRESS": "replace"}})
SPLIT = "john.smith<b>@</b>example.com"


def masked(body, content_type="text/html", masker=TEXTS_ONLY):
    return masker.mask(body.encode(), content_type).body.decode()


@pytest.mark.parametrize(
    "body",
    [
        "<p>john.smith&commat;example.com",
        "<p>john.smith&#x40;example.com",
        "<p>john.smith&#64example.com",
        "<p>john.smith&#X40 example.com".replace(" ", ";"),
        "<p>john.smith&#00000000000000064;example.com",
        "<p>john&period;smith@example&#46;com",
        "<p>john.smith&shy;@&ZeroWidthSpace;example.com",
        "<p>john.smith\u00ad@exam\u200bple.com",
        "<p>john.smith&#65312;example.com",
        "<p>john.smith<wbr>@example.com",
        "<P>john.smith<B>@</B>example.com</P>",
        "<p>john.smith<b\n>@</b\t>example.com",
        "<p>john.smith<!-- -->@example.com",
        "<p>john.smith<!-->@example.com",
        "<p>john.smith<!--->@example.com",
        "<p>john.smith<!-- --!>@example.com",
        "<p>john.smith</>@example.com",
        "<p>john.smith</ x>@example.com",
        "<p>john.smith<?x?>@example.com",
        "<p>john.smith<!x>@example.com",
        "<p>john.smith<x-y>@</x-y>example.com",
        "<p>john.smith<img>@example.com",
        "<p>john.smith<script></script>@example.com",
        "<p>john.smith<style>a{}</style>@example.com",
        "<p>john.smith<bloc\u212aquote>@</bloc\u212aquote>example.com",
        f"<template>{SPLIT}</template>",
        f"<noscript>{SPLIT}</noscript>",
        f"<plaintext>{EMAIL}",
        f'<a title=x"> {SPLIT} <a title=y">',
        f'<a "> {SPLIT} <a ">',
        f"<script></\u017fcript><a b='</script>{SPLIT}'>".replace("b='", "").replace("'>", ""),
        f"<script></script\u00a0></script>{SPLIT}",
        f"<a title={EMAIL}>x</a>",
        f"<a title = '\n{EMAIL}\n'>x</a>",
        f"<a/title={EMAIL}/>x</a>",
        f"<a title={EMAIL}/>x</a>",
        f"<{EMAIL} x>",
        f"<!DOCTYPE html '{EMAIL}'>",
        "<title>john.smith&#64;example.com</title>",
        "<a href='mailto:john.smith%40example.com'>x</a>",
        "<TEXTAREA>john.smith&#64;example.com</TeXtArEa>",
        f"\ufeff<p>{SPLIT}",
    ],
)
def test_what_a_browser_shows_as_a_value_does_not_leave(body):
    out = masked(body)
    assert "EMAIL_ADDRESS" in out
    assert "smith" not in out


@pytest.mark.parametrize(
    "body",
    [
        "<script>a = 'john.smith\\u0040example.com'</script>",
        "<script>a = 'ann@example.org' + 'john.smith\\x40example.com'</script>",
        "<script>a = 'john.smith\\u{000040}example.com'</script>",
        "<script>a = 'john.smith\\100example.com'</script>",
        "<script>a = 'john.smith\\@example.com'</script>",
        "<script>a = 'john.smith\\\n@example.com'</script>",
        '<script type="application/json">{"email": "john.smith\\u0040example.com"}</script>',
        '<style>p::before { content: "john.smith\\40 example.com" }</style>',
        '<style>p::before { content: "john.smith\\000040example.com" }</style>',
        "<p style='--a: \"john.smith\\40 example.com\"'>x</p>",
        f'<iframe srcdoc="{SPLIT}"></iframe>',
        f'<iframe srcdoc="{html.escape(SPLIT)}"></iframe>',
        f"<iframe>{SPLIT}</iframe>",
        f"<!--[if IE]>{SPLIT}<![endif]-->",
        f"<![CDATA[>{SPLIT}]]>",
        "<svg><text>john.smith<![CDATA[@]]>example.com</text></svg>",
        "<a href='/login?next=%2Fu%3Fmail%3Djohn.smith%2540ex%2561mple.com'>x</a>",
        f'<noscript><a title="</noscript>{SPLIT}"></noscript>',
        f"<svg><title>{SPLIT}</title></svg>",
        f"<script>document.write('{SPLIT}')</script>",
        f"<script>x<y;z='{SPLIT}'</script>",
        "<a href='mailto:john.smith%40ex%61mple.com'>x</a>",
        "<a href='mailto:john.smith&Tab;@exam\nple.com'>x</a>",
        "<a href='mailto:john.smith&amp;#64;example.com'>x</a>",
        "<p>john.smith%40ex%61mple.com</p>",
        f"<xmp>{SPLIT}",
        f"<a x\u00a0='> {SPLIT} <a y='>",
        f"<a title=x\u00a0y='> {SPLIT} <a y='>",
        "<meta charset=iso-2022-jp>x",
        "<META CHARSET = 'windows-1252'>x",
        '<meta http-equiv="Content-Type" content="text/html; charset=shift_jis">x',
        "<p>john.smith\x1b(B@example.com",
    ],
)
def test_what_a_browser_may_read_in_another_way_is_refused(body):
    with pytest.raises(MaskError) as caught:
        masked(body)
    assert "john" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "<p>50% of C:\\users, 100%25</p>",
        "<script>if (a<b && c>d) { s = '\\u003cbr\\u003e' }</script>",
        '<style>p::before { content: "\\201C" }</style>',
        '<meta charset="utf-8"><meta charset=UTF8>',
        "<td>4111 1111</td><td>1111 1111</td>",
        '<div data-row="&lt;td>4111 1111&lt;/td>&lt;td>1111 1111&lt;/td>">x</div>',
        "<svg><style><![CDATA[ a > b { } ]]></style></svg>",
        "a < b <1 <\u00e9 </p>",
    ],
)
def test_what_hides_nothing_passes(body):
    assert masked(body) == body


@pytest.mark.parametrize(
    "body",
    [
        "<td>4111\n   1111\n   1111\n   1111</td>",
        "<p><b>4111</b>\r\n\t<b>1111</b>\r\n\t<b>1111</b>\r\n\t<b>1111</b></p>",
        "<p>4111  1111\n1111&nbsp; 1111</p>",
    ],
)
def test_space_of_any_length_is_one_blank_as_browsers_show_it(body):
    out = masked(body, masker=CARDS)
    assert "&lt;CREDIT_CARD&gt;" in out
    assert "1111" not in out


def test_space_outside_of_a_value_stays_as_it_is_written():
    assert masked("<p>a\n  b 4111\n 1111 1111 1111\n\t c", masker=CARDS) == (
        "<p>a\n  b &lt;CREDIT_CARD&gt;\n\t c"
    )


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("4111&nbsp;1111&nbsp;1111&nbsp;1111<sup>1</sup>", "&lt;CREDIT_CARD&gt;<sup>1</sup>"),
        (
            "<b>1</b>4111\n1111 1111 1111<b>2</b> ann@example.org",
            "<b>1</b>&lt;CREDIT_CARD&gt;<b>2</b> &lt;EMAIL_ADDRESS&gt;",
        ),
        ("<a =='4111&nbsp;1111 1111 1111'>x</a>", "<a =='&lt;CREDIT_CARD&gt;'>x</a>"),
    ],
)
def test_what_touches_a_value_does_not_hide_it(body, shown):
    assert masked(body, masker=CARDS) == shown


def test_a_private_key_is_masked_over_all_lines_that_it_is_shown_in():
    lines = "<br>\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 2] * 30)
    key = f"-----BEGIN PRIVATE KEY-----<br/>{lines}<br>-----END PRIVATE KEY-----"
    out = masked(f"<p>a<br>b {key}<br>c", masker=Masker.from_spec({"entities": {"SECRET": "replace"}}))
    assert out.startswith("<p>a<br>b &lt;SECRET&gt;")
    assert out.endswith("-----END PRIVATE KEY-----<br/>c")
    assert "MII" not in out


def test_a_charset_of_the_content_type_outdoes_one_of_the_markup():
    body = "<meta charset=iso-8859-1><p>caf\u00e9"
    assert masked(body, "text/html; charset=utf-8") == body
    body = '<?xml version="1.0" encoding="ISO-8859-1"?><a>\u00e9</a>'
    assert TEXTS_ONLY.mask(body.encode("latin-1"), "text/xml; charset=iso-8859-1").count == 0
    with pytest.raises(MaskError):
        masked(body, "text/xml; charset=utf-8")
    body = '<?xml version="1.0" encoding="utf-16"?><a/>'.encode("utf-16")
    assert TEXTS_ONLY.mask(body, "text/xml; charset=utf-16").body == body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<a>john.smith<b>@</b>example.com</a>", "<a>&lt;EMAIL_ADDRESS&gt;<b></b></a>"),
        ("<x:a>john.smith<x:b>@</x:b>example.com</x:a>", "<x:a>&lt;EMAIL_ADDRESS&gt;<x:b></x:b></x:a>"),
        (
            "<text>john.smith<tspan>@</tspan>example.com</text>",
            "<text>&lt;EMAIL_ADDRESS&gt;<tspan></tspan></text>",
        ),
        ("<a><?x <c y='?>john.smith<b>@</b>example.com<d e='f'/></a>", None),
        ("<a>john.smith<?x?>@example.com</a>", None),
        ("<a>john.smith<![CDATA[@]]>example.com</a>", None),
        (f'<!DOCTYPE a SYSTEM "x>y"><a>{EMAIL}</a>', None),
        ("<\u00e9>4111 1111 1111 1111</\u00e9>", None),
        (
            '<html xmlns="http://www.w3.org/1999/xhtml">john.smith<x>@</x>example.com</html>',
            '<html xmlns="http://www.w3.org/1999/xhtml">&lt;EMAIL_ADDRESS&gt;<x></x></html>',
        ),
    ],
)
def test_xml_is_searched_as_its_readers_see_it(body, expected):
    out = masked(body, "application/xml")
    assert "smith" not in out
    assert "4111" not in out
    assert expected in (None, out)


@pytest.mark.parametrize(
    "body",
    [
        "<!DOCTYPE a [<!ENTITY e 'john'>]><a>&e;@example.com</a>",
        "<!DOCTYPE a SYSTEM 'x' [<!ENTITY e 'john'>]><a>&e;@example.com</a>",
        "<!DOCTYPE a SYSTEM 'x.dtd'><a>john.smith&at;example.com</a>",
        "<!DOCTYPE a",
        "<a b='>",
        "<rss><description>john.smith&amp;#64;example.com</description></rss>",
        f"<rss><description>{html.escape(SPLIT)}</description></rss>",
        "<rss><description><![CDATA[<p>john.smith&#64;example.com]]></description></rss>",
        f"<rss><description><![CDATA[<p>{SPLIT}]]></description></rss>",
    ],
)
def test_xml_that_others_define_or_read_as_html_is_refused(body):
    with pytest.raises(MaskError):
        masked(body, "application/xml")


def test_what_stays_between_values_stays_in_its_place():
    body = (
        "<p>Write to <b>john.smith</b>@example.com or <i>ann@example.org</i>, dear <u>reader</u>, "
        "or <a href=x>bo@example.net</a> <a>today</a>."
    )
    assert masked(body) == (
        "<p>Write to <b>&lt;EMAIL_ADDRESS&gt; or </b><i>&lt;EMAIL_ADDRESS&gt;</i>, dear <u>reader</u>, "
        "or <a href=x>&lt;EMAIL_ADDRESS&gt;</a> <a>today</a>."
    )


pieces = st.one_of(
    fragments,
    st.sampled_from(
        [
            *(
                "<p>",
                "</p>",
                "<b>",
                "</b>",
                "<br/>",
                "<a href='mailto:ann@example.org'>",
                "</a>",
                "<!-- x -->",
            ),
            *("<x y=z>", "&#64;", "&amp;", "&lt;", "<wbr>", "<td>", "<script>", "</script>", "<title>"),
            *("</title>", "<!--", "-->", "<![CDATA[", "]]>", "<a b='", "'>", "%40", "\\x40"),
        ]
    ),
)
# Where two values touch, a second mask may find what the first left (docs/masking.md).
pages = st.lists(pieces, max_size=14).map(" ".join) | st.lists(
    pieces.filter(lambda piece: "1" not in piece), max_size=9
).map(lambda drawn: "".join(f"{piece} " if "." in piece else piece for piece in drawn))


@many
@given(pages, st.sampled_from(["text/html", "application/xml"]))
def test_masking_masked_markup_changes_nothing(page, content_type):
    try:
        once = masked(page, content_type)
    except MaskError:
        return
    assert masked(once, content_type) == once


class Shown(HTMLParser):
    """The text that another parser finds."""

    def __init__(self):
        super().__init__()
        self.text = ""

    def handle_data(self, data):
        self.text += data


@many
@given(
    st.lists(st.sampled_from([*EMAIL, "<b>", "</b>", "<i x='>'>", "<!--x-->", "<wbr>"]), max_size=3),
    st.data(),
)
def test_an_address_is_found_with_any_markup_between_its_letters(between, data):
    tags = st.sampled_from(["", "", "", "<b>", "</b>", "<i x='>'>", "<!--x-->", "<wbr>", "&shy;", "\u200b"])
    body = "<p>" + "".join(letter + data.draw(tags) for letter in EMAIL) + "</p>"
    parser = Shown()
    parser.feed(masked(body))
    parser.close()
    assert parser.text.strip("\u200b\u00ad") == "<EMAIL_ADDRESS>"


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "<a ",
            "<a b='",
            "<![CDATA[",
            "<!",
            "</",
            "<script>",
            "<title>",
            "<a<",
            "<a b=\"<a b='",
            "\\",
            "%4",
            "&#",
        ),
        *("<!--", "<b>x</b>", "a<", "<p>4%31 ", "a=b ", "<svg><title>", "\\u0041", "<meta charset=utf-8>"),
    ],
)
@pytest.mark.parametrize("before", ["", "<!--", "<script>", "<a b='", "<p "])
@pytest.mark.parametrize("content_type", ["text/html", "application/xml"])
@pytest.mark.timeout(60)
def test_hostile_markup_comes_to_an_end(unit, before, content_type):
    # A reader that is quadratic takes minutes for as much.
    body = before + unit * (150_000 // len(unit))
    with contextlib.suppress(MaskError):
        masked(body, content_type)

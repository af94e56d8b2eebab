"""What of a page is live: the hard cases of HTML and JavaScript, each with a marker that must (not) come through."""

import pytest

from services.ingest.tags.charset import text_of
from services.ingest.tags.markup import live_pieces
from services.ingest.tags.script import without_comments


def live(html: str) -> str:
    return " ".join(without_comments(text) if is_code else text for text, is_code in live_pieces(html))


LIVE = [
    "<script>LIVE</script>",
    "<SCRIPT LANGUAGE='JavaScript'>LIVE</SCRIPT\n>",
    "<script>LIVE",
    "<script src=//a.com/LIVE.js></script>",
    "<script async src='//a.com/?a=1&amp;LIVE'></script>",
    "<script src = '//a.com/LIVE.js' / >",
    "<script data-src='//a.com/LIVE.js'></script>",
    "<Script\n  strategy='x'\n  src='//a.com/LIVE'\n/><p>",
    "<script src='//a.com/1' /><script>LIVE</script>",
    "<script type='module'>LIVE</script>",
    "<script type='text/javascript; charset=utf-8'>DEAD</script><script type=''>LIVE</script>",
    "<script type='application/x-javascript'>LIVE</script>",
    "<script type='0a1b2c-text/javascript'>LIVE</script>",  # a loader of Cloudflare's renames the type
    "<script type='text/plain' data-cookieconsent='marketing'>LIVE</script>",
    "<script type='text/plain' class='optanon-category-C0004'>LIVE</script>",
    "<noscript><iframe src='//a.com/LIVE'></iframe></noscript>",
    "<noscript><img src='//a.com/LIVE'></noscript>",
    "<iframe data-src='//a.com/LIVE'></iframe>",
    "<script>\n<!--\nLIVE\n//-->\n</script>",
    "<script><!-- DEAD\nLIVE\n--> DEAD\n</script>",
    "<script>//<![CDATA[\nLIVE\n//]]></script>",
    "<script>/* <![CDATA[ */LIVE/* ]]> */</script>",
    "<script>a = '<!-- <script>'; LIVE</script>",
    "<script>a = '<!-- <script>'; b = '</script>'; LIVE --></script>",
    "<script>a = '<!-- <script>'; b = '</script>'; c = '</script><script>LIVE'</script>",
    "<script>a = '//DEAD is text here: LIVE'</script>",
    "<script>u = 'https://a.com/LIVE'</script>",
    '<script>u = "a\\"//"; LIVE</script>',
    "<script>u = `a\n//${b}`; LIVE</script>",
    "<script>r = /[/*]/; LIVE</script>",
    "<script>r = x.replace(/\\/\\*/g, ''); LIVE</script>",
    '<script>return /"/.test(a) || LIVE</script>',
    "<script>a = b / c; LIVE; d = e / f</script>",
    "<script>a = (b) / 2 // DEAD\nLIVE</script>",
    "<script>/* DEAD */ LIVE</script>",
    "<script>x-->0; LIVE</script>",
    "<script>https:LIVE</script>",
    "<!--><script>LIVE</script>",
    "<!---><script>LIVE</script>",
    "<!-- DEAD --!><script>LIVE</script>",
    "<!-- DEAD <!-- DEAD --><script>LIVE</script>",
    "<!doctype html><script>LIVE</script>",
    "<?xml version='1.0'?><script>LIVE</script>",
    "</ DEAD><script>LIVE</script>",
    "<a title='<!--'><script>LIVE</script>",
    '<a title="</a><script>DEAD</script>"><script>LIVE</script>',
    "<p title=a'><script>LIVE</script>",
    "1 < 2 <3 <<script>LIVE</script>",
    "<html <?php lang(); ?>><body <?php body_class(); ?>><script>LIVE</script>",
    "<template><script>DEAD</script></template><script>LIVE</script>",
    "<textarea><script>DEAD</script></textarea><script>LIVE</script>",
    "<title><!--</title><script>LIVE</script>",
    "<style>/* <script>DEAD</script> */</style><script>LIVE</script>",
    "<svg><script>LIVE</script></svg>",
    "<p>\n// DEAD\n<script>LIVE</script>",
]
DEAD = [
    "DEAD",
    "<p>DEAD <b>DEAD</b></p>",
    "<a href='//a.com/DEAD'>DEAD</a>",
    "<link rel=preconnect href='//a.com/DEAD'>",
    "<meta content='DEAD'>",
    "<!-- <script>DEAD</script> -->",
    "<!-- a > b <script>DEAD</script>",
    "<!--[if lt IE 9]><script>DEAD</script><![endif]-->",
    "<script>// DEAD</script>",
    "<script>/* DEAD</script>",
    "<script>/* DEAD */</script>",
    "<script>a = 1 // 'DEAD'</script>",
    "<script>a = 'x' // \"DEAD\"</script>",
    "<script>\n<!-- DEAD\n</script>",
    "<script>\n--> DEAD\n</script>",
    "<script type='application/json'>DEAD</script>",
    "<script type='application/ld+json'>DEAD</script>",
    "<script type='text/template'><script>DEAD</script>",
    "<script type='text/x-handlebars'>DEAD</script>",
    "<script type='text/plain'>DEAD</script>",
    "<script src='a.js'>DEAD</script>",
    "<template><script>DEAD</script>",
    "<textarea><script>DEAD</script></textarea>",
    "<title><script>DEAD</script></title>",
    "<style><script>DEAD</script></style>",
    "<xmp><script>DEAD</script></xmp>",
    "<iframe><script>DEAD</script></iframe>",
    "<plaintext><script>DEAD</script>",
    "<pre>&lt;script>DEAD&lt;/script></pre>",
    "<?php /* <script>DEAD</script> */ ?>",
    "<?php /*\n<script type='text/javascript'>\nDEAD\n",
    "//$end .= '<script src=\"//a.com/DEAD\"></script>'; // as before",
    "<script src='//a.com/DEAD",
    '<script src="//a.com/DEAD></script>',
    "<scripts>DEAD</scripts>",
]


@pytest.mark.parametrize("html", LIVE)
def test_live(html: str) -> None:
    assert "LIVE" in live(html)
    assert "DEAD" not in live(html).replace("'//DEAD is text here", "")


@pytest.mark.parametrize("html", DEAD)
def test_dead(html: str) -> None:
    assert "DEAD" not in live(html)


@pytest.mark.parametrize(
    "hostile",
    [
        *(
            "<",
            "</",
            "<!--",
            "<!--!>",
            "<!",
            "<a ",
            "<a a=",
            '<a a="',
            "<a a='b\" ",
            "<script>",
            "<script><!--<script>",
        ),
        *("<textarea>", "</textarea", "<template>", "<?php ", "//<", "\n//<script>", "\0", "<\0", "&", "&#x"),
    ],
)
def test_any_page_comes_to_an_end(hostile: str) -> None:
    list(live_pieces(hostile * (200_000 // len(hostile))))


@pytest.mark.parametrize(
    "hostile", ["/", "/[", '"', "\"'`", "/*", "//", "\\", "=/", "(/[", "(    /", "\n  -->", "<!--"]
)
def test_any_script_comes_to_an_end(hostile: str) -> None:
    without_comments(hostile * (200_000 // len(hostile)))


@pytest.mark.parametrize(
    ("codec", "label"),
    [("cp932", "Shift_JIS"), ("euc_jp", "EUC-JP"), ("iso2022_jp", "ISO-2022-JP"), ("utf-8", "UTF-8")],
)
def test_character_sets(codec: str, label: str) -> None:
    page = f"<meta charset={label}><title>予定表</title>"
    assert "予定表" in text_of(page.encode(codec), "text/html")
    assert "予定表" in text_of(page.replace(label, "x").encode(codec), f'text/html; charset="{label}"')


def test_a_character_set_that_is_none_is_utf_8() -> None:
    for label in ("zip", "rot13", "unicode_escape", "punycode", "idna", "no-such"):
        assert text_of("予定".encode(), f"text/html; charset={label}") == "予定"
    assert text_of("予定".encode("utf-16"), "text/html") == "予定"
    assert text_of(b"\xef\xbb\xbfa", "text/html") == "a"


def test_any_content_type_comes_to_an_end() -> None:
    assert text_of("予定".encode(), "text/html; charset=" + " " * 90_000 + "!") == "予定"

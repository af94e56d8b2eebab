"""Files of content: what is refused and how it is said; changes that show without a restart."""

import asyncio
import os
import shutil
import time
from pathlib import Path

import pytest

from services.outreach.folder import ContentFolder
from services.outreach.reading import SIZE_MAX, read_piece, read_sender
from shared.config import ConfigError, load_config
from shared.events import ContentKind
from shared.telemetry import Telemetry
from tests.outreach.desk import CONTENT, ROOT, Desk

REGISTRY = load_config(ROOT / "config").fields
LOG = Telemetry("outreach", level="error").log
TEMPLATE = (CONTENT / "templates" / "inquiry-reply.md").read_text()
SNIPPET = (CONTENT / "snippets" / "schedule.md").read_text()
CASE = (CONTENT / "case-studies" / "parts.md").read_text()
SENDER = (CONTENT / "sender.yaml").read_text()


@pytest.mark.parametrize(
    ("kind", "text", "old", "new", "line", "reason"),
    [
        ("template", TEMPLATE, "---\nlabel", "label", 1, "begins with a line `---`"),
        ("template", TEMPLATE, "---\n<!-- ja", "<!-- ja", 1, "no end"),
        ("template", TEMPLATE, "channel: email", "channel: pigeon", 4, "pigeon"),
        ("template", TEMPLATE, "channel: email", "channel: email\nchannel: email", 5, "twice"),
        ("template", TEMPLATE, "channel: email", "chanel: email", 4, "chanel"),
        ("template", TEMPLATE, "occasion: inquiry_reply", "occasion: Inquiry Reply", 3, "occasion"),
        ("template", TEMPLATE, "promotional: false", "promotional: no", 5, "bool"),
        ("template", TEMPLATE, "require: [last_name]", "require: [last_nam]", 6, "last_nam"),
        ("template", TEMPLATE, "  answer: {", "  email: {", 8, "is there already"),
        ("template", TEMPLATE, "<!-- en -->", "", 33, "`en` is missing"),
        ("template", TEMPLATE, "<!-- en -->", "<!-- ja -->", 24, "twice"),
        ("template", TEMPLATE, "<!-- en -->", "<!-- fr -->", 24, "none of the languages"),
        ("template", TEMPLATE, "---\n<!-- ja", "---\nHello\n<!-- ja", 11, "before the first language"),
        ("template", TEMPLATE, "Subject: {{ company_name }}様のお問い合わせ\n", "", 13, "Subject"),
        ("template", TEMPLATE, "お問い合わせ\n\n", "お問い合わせ\n", 13, "empty line"),
        ("template", TEMPLATE, "channel: email", "channel: cxo_letter", 12, "has no subject"),
        ("template", TEMPLATE, "{{ answer }}\n面談", "{{ answr }}\n面談", 22, "`answr`"),
        ("template", TEMPLATE, "{{ answer }}\n面談", "{{ answer \n面談", 23, "cannot be read"),
        ("template", TEMPLATE, "{{ answer }}\n面談", "{% for x in answer %}{% endfor %}\n面談", 22, "`for`"),
        ("template", TEMPLATE, "{{ company_name }}様の", "{{ company_nam }}様の", 12, "`company_nam`"),
        ("template", TEMPLATE, "はx", "", 0, ""),
        ("snippet", SNIPPET, "key: ;schedule", "key: Schedule!", 3, "key"),
        ("snippet", SNIPPET, "key: ;schedule\n", "", 2, "key"),
        ("case_study", CASE, "employees: 350", "employees: many", 6, "employees"),
        ("case_study", CASE, "手作業で集計していた。", "\x07", 11, "U+0007"),
    ],
)
def test_a_wrong_file_is_refused(kind: ContentKind, text: str, old: str, new: str, line: int, reason: str) -> None:
    if not reason:
        read_piece(kind, "good-1", text.encode(), "good-1.md", REGISTRY)
        return
    assert old in text
    with pytest.raises(ConfigError) as refused:
        read_piece(kind, "x", text.replace(old, new, 1).encode(), "x.md", REGISTRY)
    assert (refused.value.file, refused.value.line) == ("x.md", line), str(refused.value)
    assert reason in refused.value.reason


def test_other_wrong_files() -> None:
    for name, raw, reason in [
        ("Upper", TEMPLATE.encode(), "the file's name"),
        ("x", TEMPLATE.encode() + b"\xff", "UTF-8"),
        ("x", TEMPLATE.encode() + b" " * SIZE_MAX, "make two of it"),
        ("x", b"", "`---`"),
    ]:
        with pytest.raises(ConfigError, match=reason):
            read_piece("template", name, raw, "x.md", REGISTRY)
    read_piece("template", "x", TEMPLATE.replace("\n", "\r\n").encode("utf-8-sig"), "x.md", REGISTRY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://tasuki.example.co.jp/opt-out", "http://tasuki.example.co.jp/opt-out"),
        ("https://tasuki.example.co.jp/opt-out", "'https://a.example.jp/>, <mailto:x'"),
        ("https://tasuki.example.co.jp/opt-out", "'https://a.example.jp/{name}'"),
        ("https://tasuki.example.co.jp/opt-out", '"https://a.example.jp/\\nX: y"'),
        ("sales@tasuki.example.co.jp", "sales"),
        ("en: Tasuki Inc.", 'en: "Tasuki\\nBcc: x@example.jp"'),
        ("email: opt-out@tasuki.example.co.jp", "email: nobody"),
        ("organisation: {ja: 株式会社たすき, en: Tasuki Inc.}", ""),
    ],
)
def test_a_sender_who_cannot_be_answered_is_refused(old: str, new: str) -> None:
    assert old in SENDER
    with pytest.raises(ConfigError):
        read_sender(SENDER.replace(old, new).encode(), "sender.yaml")


def test_pieces_are_checked_against_one_another(tmp_path: Path) -> None:
    for name, text, reason in [
        ("snippets/other.md", SNIPPET, "`;schedule` is that of"),
        ("case-studies/other.md", CASE.replace("manufacturing", "magic"), "`magic` is no industry"),
        ("case-studies/other.md", CASE.replace("reporting", "magic"), "`magic` is no usage"),
    ]:
        folder = tmp_path / reason[1:6]
        _copy(folder)
        (folder / "outreach" / name).write_text(text)
        with pytest.raises(ConfigError, match=reason):
            ContentFolder(folder, REGISTRY, LOG)


@pytest.mark.parametrize("missing", ["sender.yaml", "words.yaml"])
def test_a_missing_file_stops_the_start(tmp_path: Path, missing: str) -> None:
    shutil.copytree(CONTENT, tmp_path / "outreach")
    (tmp_path / "outreach" / missing).unlink()
    with pytest.raises(ConfigError, match="is missing"):
        ContentFolder(tmp_path, REGISTRY, LOG)


def test_a_configuration_without_content_has_none_until_all_of_it_is_there(tmp_path: Path) -> None:
    folder = ContentFolder(tmp_path, REGISTRY, LOG)
    folder.look()
    assert not any(shelf.pieces for shelf in folder.library.shelves.values())
    assert not folder.library.problems
    (tmp_path / "outreach").mkdir()
    folder.look()
    assert [problem.file for problem in folder.library.problems] == ["outreach/sender.yaml"]
    shutil.copytree(CONTENT, tmp_path / "outreach", dirs_exist_ok=True)
    folder.look()
    assert not folder.library.problems
    assert len(folder.library.shelves["snippet"].pieces) == 3
    (tmp_path / "outreach" / "snippets" / "schedule.md").unlink()
    folder.look()
    assert len(folder.library.shelves["snippet"].pieces) == 2


def _copy(folder: Path) -> None:
    for path in CONTENT.rglob("*.*"):
        target = folder / "outreach" / path.relative_to(CONTENT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())


async def test_a_change_shows_and_a_bad_one_is_told(desk: Desk) -> None:
    path = desk.content / "snippets" / "price.md"
    good = path.read_text()
    path.write_text(good.replace("価格帯のご案内", "料金のご案内"))
    desk.folder.look()
    assert (await desk.get("/v1/snippets/price"))["label"]["ja"] == "料金のご案内"
    path.write_text(good.replace("key: ;price", "key: ;price\nkeys: x"))
    desk.folder.look()
    page = await desk.get("/v1/templates")
    assert [(p["file"], p["line"]) for p in page["problems"]] == [("outreach/snippets/price.md", 4)]
    assert (await desk.get("/v1/snippets/price"))["label"]["ja"] == "料金のご案内", "what was there holds on"
    assert [m.samples[0].value for m in await desk.folder.collect()][1] == 1
    path.write_text(good)
    desk.folder.look()
    assert (await desk.get("/v1/snippets"))["problems"] == []
    assert (await desk.get("/v1/snippets/price"))["label"]["ja"] == "価格帯のご案内"
    path.unlink()
    desk.folder.look()
    assert await desk.ids("/v1/snippets") == ["schedule", "thanks"]


async def test_files_that_make_room_for_one_another(desk: Desk) -> None:
    first, second = (desk.content / "snippets" / f"{name}.md" for name in ("price", "thanks"))
    a, b = first.read_text(), second.read_text()
    first.write_text(a.replace(";price", ";thanks"))
    desk.folder.look()
    (problem,) = (await desk.get("/v1/snippets"))["problems"]
    assert problem["file"] == "outreach/snippets/price.md"
    assert "with it outreach/snippets/thanks.md:3 is wrong: the key `;thanks`" in problem["reason"]
    assert str(desk.content) not in str(problem)
    second.write_text(b.replace(";thanks", ";price"))
    (desk.content / "talks" / "bad.md").write_text("bad")
    desk.folder.look()
    assert {i["id"]: i["key"] for i in (await desk.get("/v1/snippets"))["items"]}["price"] == ";thanks"
    assert [p["file"] for p in (await desk.get("/v1/snippets"))["problems"]] == ["outreach/talks/bad.md"]


async def test_sender_and_words_show_too_and_never_go(desk: Desk) -> None:
    await desk.lead(last_name="山田")
    sender, words = desk.content / "sender.yaml", desk.content / "words.yaml"
    sender.write_text(SENDER.replace("株式会社たすき", "株式会社あたらし"))
    desk.folder.look()
    assert "株式会社あたらし" in (await desk.render("first-mail"))["body"]
    text = words.read_text()
    words.write_text(text.replace("manufacturing:", "making:"))
    desk.folder.look()
    (problem,) = (await desk.get("/v1/snippets"))["problems"]
    assert "parts.md" in problem["reason"]
    assert problem["file"] == "outreach/words.yaml"
    words.write_text(text)
    sender.unlink()
    desk.folder.look()
    (problem,) = (await desk.get("/v1/snippets"))["problems"]
    assert (problem["file"], "missing" in problem["reason"]) == ("outreach/sender.yaml", True)
    assert "株式会社あたらし" in (await desk.render("first-mail"))["body"]
    desk.content.rename(desk.content.with_name("elsewhere"))
    desk.folder.look()
    desk.folder.look()
    assert len((await desk.get("/v1/snippets"))["items"]) == 3
    assert any("the folder is missing" in p["reason"] for p in (await desk.get("/v1/snippets"))["problems"])
    desk.content.with_name("elsewhere").rename(desk.content)
    sender.write_text(SENDER)
    desk.folder.look()
    assert (await desk.get("/v1/snippets"))["problems"] == []


async def test_the_task_looks_by_itself_and_stops_when_told(desk: Desk) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(desk.folder.run(stop))
    (desk.content / "snippets" / "price.md").unlink()
    deadline = time.monotonic() + 20
    while "price" in desk.folder.library.shelves["snippet"].pieces:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(task, 5)


def _lay_what_is_no_file(snippets: Path, text: str) -> None:
    (snippets / "itself.md").symlink_to("itself.md")
    (snippets / "endless.md").symlink_to("/dev/zero")
    (snippets / "folder.md").mkdir()
    os.mkfifo(snippets / "pipe.md")
    Path(os.fsdecode(os.fsencode(snippets) + b"/\xff\xfe.md")).write_text(text)
    (snippets / "huge.md").touch()
    os.truncate(snippets / "huge.md", 2**40)


async def test_what_is_no_file_of_content_is_told_and_hides_no_other(desk: Desk) -> None:
    """A link to itself, a pipe, a device without end, a name that is no UTF-8: whatever lies in the folder."""
    snippets = desk.content / "snippets"
    good = (snippets / "price.md").read_text()
    _lay_what_is_no_file(snippets, good)
    (snippets / "fees.md").write_text(good.replace(";price", ";fees"))
    await asyncio.wait_for(asyncio.to_thread(desk.folder.look), 20)
    page = await desk.get("/v1/snippets")
    assert [item["id"] for item in page["items"]] == ["fees", "price", "schedule", "thanks"]
    told = {Path(problem["file"]).name: problem["reason"] for problem in page["problems"]}
    assert told.keys() == {"itself.md", "endless.md", "folder.md", "pipe.md", "huge.md", "\\udcff\\udcfe.md"}
    assert "symbolic links" in told["itself.md"]
    assert all("no file" in told[name] for name in ("endless.md", "folder.md", "pipe.md"))
    assert "make two of it" in told["huge.md"]
    (snippets / "itself.md").unlink()
    (snippets / "itself.md").write_text(good.replace(";price", ";itself"))
    desk.folder.look()
    assert "itself" in await desk.ids("/v1/snippets")


def test_an_editors_own_files_are_no_content(tmp_path: Path) -> None:
    _copy(tmp_path)
    for name in (".#price.md", "price.md~", "price.md.swp"):
        (tmp_path / "outreach" / "snippets" / name).write_text("half written")
    assert len(ContentFolder(tmp_path, REGISTRY, LOG).library.shelves["snippet"].pieces) == 3

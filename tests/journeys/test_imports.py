"""`tasuki import` and the imports behind it, on a running system: from a file of a spreadsheet to leads everywhere."""

import csv
import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.outside import CSV, Outside
from tests.system import tasuki, until

ROWS = [
    ["メールアドレス", "姓", "名", "会社名", "従業員数", "備考"],
    ["hayashi@import-a.co.jp", "髙橋", "①郎", "株式会社髙", "350", "展示会\r\n二日目"],
    ["mori@import-b.co.jp", "森", "花", "ソ表能", "2,500", ""],
    ["mori@import-b.co.jp", "森", "花", "ソ表能", "2,500", ""],
    ["=cmd|' /C calc'!A0", "", ""],
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """As Excel on a Japanese Windows saves it."""
    path = tmp_path / "leads.csv"
    out = io.StringIO()
    csv.writer(out).writerows(ROWS)
    path.write_bytes(out.getvalue().encode("cp932"))
    return path


def found(outside: Outside, email: str) -> list[dict[str, Any]]:
    leads: list[dict[str, Any]] = outside.ok("ingest", "GET", f"/v1/leads?email={email}")["items"]
    return leads


def test_a_file_of_a_spreadsheet_is_tried_then_brought_in(outside: Outside, file: Path, tmp_path: Path) -> None:
    command = ["import", str(file), "--source", "website"]
    tried = tasuki(outside.system, *command, "--dry-run")
    assert tried.returncode == 1, tried.stderr
    assert "nothing stored" in tried.stdout
    assert "2 new leads" in tried.stdout
    assert found(outside, "hayashi@import-a.co.jp") == []

    rejected = tmp_path / "rejected.csv"
    done = tasuki(outside.system, *command, "--rejected", str(rejected))
    assert done.returncode == 1, done.stderr
    for line in ("2 new leads", "1 came before", "1 rejected", "no field of ours: 備考"):
        assert line in done.stdout
    (head, row) = csv.reader(io.StringIO(rejected.read_text(encoding="utf-8")))
    assert head == ["row", "reason", *ROWS[0]]
    assert row[:3] == ["5", "has 3 cells where the header has 6", "'=cmd|' /C calc'!A0"]

    (lead,) = found(outside, "hayashi@import-a.co.jp")
    assert lead["fields"]["last_name"]["value"] == "髙橋"
    assert lead["fields"]["first_name"]["value"] == "1郎"
    assert lead["fields"]["employees"]["value"] == 350
    outside.settle()
    readiness = outside.readiness(lead["lead_id"])
    assert readiness is not None
    assert readiness["segment"] == "smb"

    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    again = tasuki(outside.system, *command, "--url", outside.system.url["ingest"])
    assert again.returncode == 0, again.stdout + again.stderr
    assert "0 new leads" in again.stdout
    assert "3 came before" in again.stdout


def test_what_is_wrong_is_told_in_one_line(outside: Outside, tmp_path: Path) -> None:
    for content, source, told in (
        ("email\n".encode("utf-16"), "website", "UTF-16"),
        (b"a,b\n", "website", "names no field that we know"),
        (b"email\n", "nobody", "There is no source nobody"),
    ):
        (tmp_path / "leads.csv").write_bytes(content)
        done = tasuki(outside.system, "import", str(tmp_path / "leads.csv"), "--source", source)
        assert done.returncode == 1
        assert told in done.stderr
        assert "Traceback" not in done.stderr


def test_an_upload_that_is_broken_off_leaves_nothing(outside: Outside) -> None:
    before = outside.ok("ingest", "GET", "/v1/imports")["items"]
    part = b"a@import-c.co.jp\r\n" * 40_000
    head = f"POST /v1/imports?source=website HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {outside.system.key}\r\n"
    head += f"Content-Type: {CSV}\r\nContent-Length: {10 * len(part)}\r\n\r\nemail\r\n"
    with socket.create_connection(("127.0.0.1", outside.system.port["ingest"])) as connection:
        connection.sendall(head.encode() + part)
        until(lambda: any(i["state"] == "receiving" and i["bytes"] for i in _imports(outside)))
    until(lambda: _imports(outside) == before)
    assert found(outside, "a@import-c.co.jp") == []


def test_a_file_has_no_limit_of_size_and_a_row_of_ten_megabytes_costs_itself(outside: Outside) -> None:
    body = b"email,title\na@import-d.co.jp,x\n" + b"y" * 10_000_000 + b",z\nb@import-d.co.jp,x"
    answer = outside.call("ingest", "POST", "/v1/imports?source=website", body, content_type=CSV)
    assert answer.status_code == 202, answer.text
    report = _over(outside, answer.json()["id"])
    assert (report["created"], report["rejected"]) == (2, 1)
    assert report["items"][0]["errors"][0]["detail"] == "has more than 100,000 bytes"


def test_memory_does_not_grow_with_the_file(outside: Outside) -> None:
    """300 MB in six rows: it is held in memory neither while it comes nor while its rows are looked for."""
    line = b"y" * (1024 * 1024)

    def parts() -> Iterator[bytes]:
        yield b"email,title\n"
        for n in range(6):
            yield from [line] * 50
            yield b"\na%d@import-e.co.jp,x\n" % n

    before = _peak_mb(outside)
    answer = outside.call("ingest", "POST", "/v1/imports?source=website&dry_run=true", parts(), content_type=CSV)
    assert answer.status_code == 202, answer.text
    report = _over(outside, answer.json()["id"])
    assert (report["created"], report["rejected"]) == (6, 6)
    assert _peak_mb(outside) - before < 40


@pytest.mark.long
def test_memory_does_not_grow_with_the_rows(outside: Outside) -> None:
    def parts(rows: range) -> Iterator[bytes]:
        yield b"email,title\n"
        for n in rows:
            yield b"a%d@import-f.co.jp,x\n" % n

    peaks = []
    for rows in (range(30_000), range(30_000, 130_000)):
        answer = outside.call("ingest", "POST", "/v1/imports?source=website", parts(rows), content_type=CSV)
        assert _over(outside, answer.json()["id"], within=1200)["created"] == len(rows)
        peaks.append(_peak_mb(outside))
    assert peaks[1] - peaks[0] < 50


def _over(outside: Outside, import_id: str, within: float = 120) -> dict[str, Any]:
    reports: list[dict[str, Any]] = []

    def is_over() -> bool:
        reports.append(outside.ok("ingest", "GET", f"/v1/imports/{import_id}"))
        return reports[-1]["state"] in ("done", "failed")

    until(is_over, within, lambda: str(reports[-1]))
    return reports[-1]


def _peak_mb(outside: Outside) -> float:
    """The most memory that the process of ingest has ever had."""
    (pid,) = outside.system.processes("services.ingest")
    (line,) = (x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _imports(outside: Outside) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = outside.ok("ingest", "GET", "/v1/imports")["items"]
    return items

"""Files of leads on a real database: each row once, whatever is repeated, mixed up, broken off or done by two."""

import asyncio
import csv
import io
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.context import Context
from services.ingest.imports.worker import ImportWorker
from services.ingest.record import Recorder
from tests.ingest.door import FORM, Door
from tests.ingest.imports.files import CSV, HEADER, brought_in, counts, leads, over, reasons, send, table, until

STORED = "select (select count(*) from ingest.leads) as leads, (select count(*) from ingest.outbox) as events"


async def stored(door: Door) -> tuple[int, int]:
    (row,) = await door.rows(STORED)
    return row["leads"], row["events"]


async def are_left(door: Door, *, imports: int = 0, rejects: int = 0) -> bool:
    """Whether so many imports and rejected rows are stored, and nothing else of files."""
    names = ("imports", "import_rejects", "import_chunks", "import_trials")
    found = [(await door.rows(f"select count(*) from ingest.{name}"))[0][0] for name in names]  # noqa: S608 - names of ours
    return found == [imports, rejects, 0, 0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("delimiter", [",", "\t"])
async def test_a_row_makes_its_lead(door: Door, encoding: str, delimiter: str) -> None:
    rows = [
        ["メールアドレス", "姓", "会社名", "従業員数", "備考", "external_id", "observed_at"],
        ["Mei@Acme.co.jp", "髙橋", "株式会社①", "350", "一行目\r\n二行目", "crm:1", "2026-11-01T09:00:00+09:00"],
    ]
    report = await brought_in(door, table(rows, encoding=encoding, delimiter=delimiter))
    assert counts(report) == {"rows": 1, "created": 1}
    assert report["encoding"] == encoding.removesuffix("-sig")
    assert report["delimiter"] == delimiter
    assert report["bytes_read"] == report["bytes"]
    assert report["unmapped"] == ["備考"]
    (lead,) = (await door.get("/v1/leads", email="mei@acme.co.jp")).json()["items"]
    values = {name: field["value"] for name, field in lead["fields"].items()}
    assert values == {"email": "mei@acme.co.jp", "last_name": "髙橋", "company_name": "株式会社1", "employees": 350}
    assert {field["source"] for field in lead["fields"].values()} == {"website"}
    assert lead["external_ids"] == ["crm:1"]
    assert lead["created_at"] == "2026-11-01T00:00:00Z"
    observations = (await door.get(f"/v1/leads/{lead['lead_id']}/observations")).json()
    assert [(u["name"], u["value"]) for u in observations["unmapped"]] == [("備考", "一行目\r\n二行目")]


async def test_the_same_file_again_adds_nothing_on_another_day_either(door: Door) -> None:
    file = table(leads(3))
    assert counts(await brought_in(door, file)) == {"rows": 3, "created": 3}
    before = await stored(door)
    door.clock.at += timedelta(days=40)
    assert counts(await brought_in(door, file)) == {"rows": 3, "duplicates": 3}
    columns = [row[::-1] for row in leads(3)]
    assert counts(await brought_in(door, table(columns, encoding="cp932", delimiter="\t"))) == {
        "rows": 3,
        "duplicates": 3,
    }
    assert await stored(door) == before
    changed = leads(3)
    changed[2][3] = "7,000"
    assert counts(await brought_in(door, table(changed))) == {"rows": 3, "known": 1, "duplicates": 2}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(4)), cut=st.integers(1, 4))
async def test_the_order_of_rows_and_files_does_not_matter(door: Door, order: list[int], cut: int) -> None:
    await door.rows("truncate ingest.leads, ingest.events, ingest.outbox, ingest.imports cascade")
    header = ["email", "employees", "title", "observed_at"]
    rows = [
        ["a@acme.co.jp", "10", "", "2026-11-10T00:00:00Z"],
        ["a@acme.co.jp", "20", "", "2026-11-11T09:00:00+0900"],
        ["a@acme.co.jp", "", "部長", "2026-11-09T00:00:00Z"],
        ["b@acme.co.jp", "5", "", "2026-11-09T00:00:00Z"],
    ]
    mixed = [rows[n] for n in order]
    for part in (mixed[:cut], mixed[cut:], rows):
        await brought_in(door, table([header, *part]))
    assert await stored(door) == (2, 6)
    (lead,) = (await door.get("/v1/leads", email="a@acme.co.jp")).json()["items"]
    assert {n: f["value"] for n, f in lead["fields"].items()} == {
        "email": "a@acme.co.jp",
        "employees": 20,
        "title": "部長",
    }
    assert lead["created_at"] == "2026-11-09T00:00:00Z"


async def test_a_form_that_says_the_same_is_another_submission(door: Door) -> None:
    await door.post("/v1/webhooks/website", b"email=a@acme.co.jp", headers=FORM)
    assert counts(await brought_in(door, b"email\na@acme.co.jp")) == {"rows": 1, "known": 1}


async def test_a_dry_run_stores_nothing_and_tells_what_would_be(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.imports.worker.BATCH", 3)
    await brought_in(door, table(leads(2)))
    await door.lead({"email": "a5@acme5.co.jp"})
    rows = leads(8) + leads(1, first=7)[1:] + [["A6@ACME6.co.jp", "別名", "", ""], ["", "", "", "x"], ["short"]]
    rows += [["a9@acme9.co.jp", "", "", "many"]]
    file = table(rows)
    before = await stored(door)
    tried = await brought_in(door, file, dry_run=True)
    assert tried["dry_run"] is True
    assert await stored(door) == before
    real = await brought_in(door, file)
    expected = {"rows": 13, "created": 6, "known": 2, "duplicates": 3, "rejected": 2, "incomplete": 1}
    assert counts(tried) == counts(real) == expected
    assert tried["items"] == real["items"]
    await until(lambda: are_left(door, imports=3, rejects=4))


async def test_rejected_rows_have_reasons_and_can_be_downloaded_safely(door: Door) -> None:
    rows = [*leads(1), ["=1+1", "-2", "@x"], ["", "", "", "+x"], ["a@acme.co.jp", "b", "c", "d", "e"]]
    report = await brought_in(door, table(rows))
    assert counts(report) == {"rows": 4, "created": 1, "rejected": 3}
    assert reasons(report)[0] == (3, "has 3 cells where the header has 4")
    assert report["items"][0]["cells"] == ["=1+1", "-2", "@x"]
    answer = await door.get(f"/v1/imports/{report['id']}/rejected.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    head, *found = csv.reader(io.StringIO(answer.text))
    assert head == ["row", "reason", *HEADER]
    assert found[0] == ["3", "has 3 cells where the header has 4", "'=1+1", "'-2", "'@x"]
    assert found[1][:1] + found[1][2:] == ["4", "", "", "", "'+x"]
    assert [row[0] for row in found] == ["3", "4", "5"]


async def test_a_downloaded_row_that_was_mended_is_the_same_row(door: Door) -> None:
    file = table([["email", "last_name", "phone"], ["a@acme.co.jp", "山田", "+81 3-1234-5678"]])
    await brought_in(door, file)
    mended = table([["email", "last_name", "phone"], ["a@acme.co.jp", "山田", "'+81 3-1234-5678"]])
    assert counts(await brought_in(door, mended)) == {"rows": 1, "duplicates": 1}


async def test_rejected_rows_and_imports_come_in_pages(door: Door) -> None:
    report = await brought_in(door, table([*leads(1), *([[str(n)] for n in range(7)])]))
    seen, cursor = [], None
    for _ in range(4):
        paged = (
            await door.get(f"/v1/imports/{report['id']}", limit=2, **({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [item["cells"][0] for item in paged["items"]]
        cursor = paged["next_cursor"]
    assert (seen, cursor) == ([str(n) for n in range(7)], None)
    other = await brought_in(door, table(leads(1)))
    first = (await door.get("/v1/imports", limit=1)).json()
    second = (await door.get("/v1/imports", limit=1, cursor=first["next_cursor"])).json()
    assert [p["items"][0]["id"] for p in (first, second)] == [other["id"], report["id"]]
    assert second["next_cursor"] is None


async def test_an_erased_lead_is_gone_from_reports_and_its_row_brings_nothing_back(door: Door) -> None:
    file = table([*leads(1), ["A0@acme0.co.jp", "ragged"], ["other", "ragged"]])
    report = await brought_in(door, file)
    (lead,) = (await door.get("/v1/leads")).json()["items"]
    assert (await door.post(f"/v1/leads/{lead['lead_id']}/erase", {"reason": "asked for"})).is_success
    left = (await door.get(f"/v1/imports/{report['id']}")).json()
    assert [item["cells"] for item in left["items"]] == [["other", "ragged"]]
    assert left["rejected"] == 2
    await until(lambda: are_left(door, imports=1, rejects=1))
    assert counts(await brought_in(door, file)) == {"rows": 3, "duplicates": 1, "rejected": 2}
    assert (await door.get("/v1/leads")).json()["items"] == []


async def test_a_repetition_with_its_key_is_the_same_import(door: Door) -> None:
    file, key = table(leads(2)), {"Idempotency-Key": "once"}
    first = await send(door, file, headers=key)
    again = await send(door, file, headers=key)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert (await send(door, table(leads(3)), headers=key)).status_code == 422
    await door.rows("delete from access.idempotency returning 1")  # as if the process had died before it was stored
    late = await send(door, file, headers=key)
    assert (late.status_code, late.json()["id"]) == (202, first.json()["id"])
    await door.rows("delete from access.idempotency returning 1")
    other = await send(door, table(leads(3)), headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "urn:tasuki:problem:idempotency-key-reused")
    assert counts(await over(door, first)) == {"rows": 2, "created": 2}


async def test_what_nobody_goes_on_with_is_swept_and_reports_are_kept_for_30_days(door: Door) -> None:
    report = await brought_in(door, table([*leads(1), ["short"]]))
    await door.rows(
        "insert into ingest.imports (import_id, token, source, dry_run, received_at, touched_at)"
        " values ('left', gen_random_uuid(), 'website', false, $1, $1) returning 1",
        door.clock.now(),
    )
    worker = _worker(door)
    for later, left in ((timedelta(minutes=59), {"left", report["id"]}), (timedelta(minutes=20), {report["id"]})):
        door.clock.at += later
        await worker.sweep()
        assert {item["id"] for item in (await door.get("/v1/imports")).json()["items"]} == left
    door.clock.at += timedelta(days=30)
    await worker.sweep()
    assert (await door.get(f"/v1/imports/{report['id']}")).status_code == 404
    await until(lambda: are_left(door))


async def test_two_uploads_under_one_key_do_not_mix(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one's claim of the key has run out while it was still sending."""
    monkeypatch.setattr("services.ingest.imports.receive.CHUNK", 100)
    monkeypatch.setattr("shared.web.idempotency.CLAIM_S", 0)
    overtaken, file, key = asyncio.Event(), table(leads(20)), {"Idempotency-Key": "two"}

    async def slow() -> AsyncIterator[bytes]:
        yield file[:300]
        async with asyncio.timeout(20):
            await overtaken.wait()
        yield file[300:]

    first = asyncio.ensure_future(door.http.post("/v1/imports?source=website", content=slow(), headers=CSV | key))
    await until(lambda: door.rows("select 1 from ingest.import_chunks"))
    second = await send(door, file, headers=key)
    overtaken.set()
    assert (await first).status_code == 409
    assert counts(await over(door, second)) == {"rows": 20, "created": 20}


async def test_replicas_take_every_row_once(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.imports.worker.BATCH", 10)
    workers, stop = [_worker(door) for _ in range(3)], asyncio.Event()
    running = [asyncio.ensure_future(worker.run(stop)) for worker in workers]
    rows = leads(120)
    mixed = rows[1:] * 2
    random.Random(1).shuffle(mixed)  # noqa: S311 - no secret
    answers = [await send(door, table([HEADER, *part])) for part in (mixed[:120], mixed[120:], mixed)]
    reports = [await over(door, answer) for answer in answers]
    stop.set()
    await asyncio.gather(*running)
    assert [report["rows"] for report in reports] == [120, 120, 240]
    assert sum(report["created"] for report in reports) == 120
    assert sum(report["duplicates"] for report in reports) == 360
    assert (await stored(door))[0] == 120


async def test_a_row_that_cannot_be_stored_stops_no_other(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trigger stands for whatever PostgreSQL may have against a row that passed every check."""
    await door.rows(
        """
        create function ingest.refuse() returns trigger language plpgsql as $$
        begin
            if new.value = 'a137@acme137.co.jp' then raise exception 'not this one'; end if;
            return new;
        end $$
        """
    )
    await door.rows(
        "create trigger refuse before insert on ingest.lead_keys for each row execute function ingest.refuse()"
    )
    report = await brought_in(door, table(leads(300)))
    assert counts(report) == {"rows": 300, "created": 299, "rejected": 1}
    assert reasons(report) == [(139, "could not be stored; the log of the service says why")]


async def test_a_source_that_is_gone_ends_its_imports(door: Door) -> None:
    await door.rows(
        "insert into ingest.imports (import_id, token, source, dry_run, received_at, touched_at, state)"
        " values ('gone', gen_random_uuid(), 'gone', false, $1, $1, 'waiting') returning 1",
        door.clock.now(),
    )
    await until(lambda: door.rows("select 1 from ingest.imports where state = 'failed'"))
    report = (await door.get("/v1/imports/gone")).json()
    assert report["reason"] == "there is no source gone in sources.yaml any more"


def _worker(door: Door) -> ImportWorker:
    runtime = door.runtime
    values: dict[str, Any] = {
        "engine": runtime.engine,
        "clock": door.clock,
        "config": runtime.config,
        "zone": runtime.settings.zone,
        "recorder": Recorder(runtime.engine, door.clock, runtime.config.fields.personal),
        "telemetry": runtime.telemetry,
    }
    return ImportWorker(Context(**values), kept=timedelta(days=30))

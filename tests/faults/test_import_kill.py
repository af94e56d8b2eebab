"""SIGKILL of ingest in the middle of an import: what was answered 202 goes on from where it was, each row once."""

import csv
import io
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from shared.client import Client, Retry, ingest
from shared.client.types import Import
from tests.faults.inside import database
from tests.faults.inside import rows as rows_of
from tests.system import SERVICES, System

HEADER = ["email", "last_name", "company_name"]


def test_an_import_goes_on_after_kills(data_dir: Path, free_port: Callable[[], int]) -> None:
    _kills(data_dir, free_port, rows=4_000, kills=2)


@pytest.mark.long
def test_an_import_of_30_000_rows_goes_on_after_kills(data_dir: Path, free_port: Callable[[], int]) -> None:
    _kills(data_dir, free_port, rows=30_000, kills=8)


def _kills(data_dir: Path, free_port: Callable[[], int], *, rows: int, kills: int) -> None:
    with System(data_dir, free_port) as system:
        urls = {service: system.url[service] for service in SERVICES}
        with Client(urls, system.key, retry=Retry(tries=200)) as client:
            sent = client.send(ingest.import_leads("website", lambda: iter([_file(rows)])))

            def report() -> Import:
                return client.send(ingest.import_report(sent.id, limit=1))

            for number in range(kills):
                least = rows * number // (kills + 1)
                system.wait_for(partial(_is_past, report, least), 300)
                assert not report().is_over
                for pid in system.processes("services.ingest"):
                    os.kill(pid, signal.SIGKILL)
            system.wait_for(lambda: report().is_over, 600)
            found = report()
            again = client.send(ingest.import_leads("website", lambda: iter([_file(rows)])))
            system.wait_for(lambda: client.send(ingest.import_report(again.id)).is_over, 600)
            repeated = client.send(ingest.import_report(again.id))
        system.wait_for(lambda: rows_of(database(system), "select 1 from ingest.import_chunks") == [])
        different = rows - 1 - rows // 10
        assert (found.rows, found.created, found.known) == (rows, different, 0)
        assert (found.duplicates, found.rejected) == (rows // 10, 1)
        assert (repeated.duplicates, repeated.rejected, repeated.rows) == (rows - 1, 1, rows)
        (stored,) = rows_of(
            database(system),
            "select (select count(*) from ingest.leads), (select count(*) from ingest.submissions) as submissions,"
            " (select count(*) from ingest.import_chunks) as chunks",
        )
        assert tuple(stored.values()) == (different, different, 0)
        assert system.output().count("killed by SIGKILL") >= kills


def _is_past(report: Callable[[], Import], least: int) -> bool:
    return report().rows > least


def _file(rows: int) -> bytes:
    """One in ten rows says the same as the next one; the last is ragged."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for n in range(rows - 1):
        person = n if n % 10 else n + 1
        writer.writerow([f"a{person}@acme{person % 500}.co.jp", "髙橋", f"株式会社①{person % 500}"])
    writer.writerow(["ragged"])
    return out.getvalue().encode("cp932")

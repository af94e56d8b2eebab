"""A service of a newer release: `python -m tests.faults.release SERVICE` understands a second version of calls.

`tasuki.call.v2` is what v1 is, with its duration in milliseconds. The service's own code runs unchanged.
"""

import json
import runpy
import sys

import msgspec

import shared.consume_batch
from shared.eventlog.port import Record
from shared.events import Event, from_record
from shared.settings import SERVICES

NEWER = b"tasuki.call.v2"


def understood(record: Record) -> Event:
    """The event in a record of either version."""
    headers = dict(record.headers)
    if headers.get("ce_type") != NEWER or record.value is None:
        return from_record(record)
    data = json.loads(record.value)
    data["duration_s"] = data.pop("duration_ms") // 1000
    older = tuple({**headers, "ce_type": b"tasuki.call.v1"}.items())
    return from_record(msgspec.structs.replace(record, headers=older, value=json.dumps(data).encode()))


if __name__ == "__main__":
    (_service,) = sys.argv[1:]
    assert _service in SERVICES
    shared.consume_batch.from_record = understood  # type: ignore[attr-defined,assignment]
    runpy.run_module(f"services.{_service}", run_name="__main__")

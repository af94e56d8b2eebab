"""Server-sent events, as the HTML standard has them: fields line by line, an empty line ends an event."""

import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import NamedTuple


class ServerEvent(NamedTuple):
    """One event. `id` is what to come back with as `Last-Event-ID`."""

    name: str
    data: str
    id: str


_END = re.compile(rb"\r\n|\n|\r(?=.)", re.DOTALL)
"""Of a line. A CR that comes last may be the first half of one, so it waits for what follows."""


async def read_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[str]:
    """The lines of a stream. Python's own know more ends than the standard, such as U+2028, which stand within data."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = _END.split(rest + chunk)
        for line in lines:
            yield line.decode("utf-8", "replace")


async def read_events(lines: AsyncIterable[str]) -> AsyncIterator[ServerEvent]:
    """The events in lines without their ends; one that is cut off is no event."""
    name, data, last_id = "message", list[str](), ""
    async for line in lines:
        if not line:
            if data:
                yield ServerEvent(name, "\n".join(data), last_id)
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id":
            last_id = value

"""A process that is a member of a group of the log that its environment names: `python -m tests.contract.member GROUP
MEMBER`."""

import asyncio
import sys

from shared.eventlog.opened import open_log
from shared.events import LEADS
from shared.settings import Settings
from tests.contract.reading import Keeper


async def main(group: str, member: str) -> None:
    log = await open_log(Settings())
    reader = await log.join(group, member, [LEADS], Keeper())
    print("joined", flush=True)
    while True:
        await reader.fetch(1000, 60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

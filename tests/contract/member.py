"""A process that is a member of a group of the embedded log: `python -m tests.contract.member URL GROUP MEMBER`."""

import asyncio
import sys

from shared.eventlog.embedded import EmbeddedLog
from shared.events import LEADS
from shared.settings import Settings
from tests.contract.log_contract import Keeper


async def main(url: str, group: str, member: str) -> None:
    log = await EmbeddedLog.open(Settings(database_url=url, consumer_lease_s=2))
    reader = await log.join(group, member, [LEADS], Keeper())
    print("joined", flush=True)
    while True:
        await reader.fetch(1000, 60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

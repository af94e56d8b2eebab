"""How long it takes until all goes on, after one broker or one replica was killed; measured under the load alone."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.eventlog.kafka_client import make_admin
from shared.eventlog.port import LogUnavailable, Positions, TopicPartition
from shared.events import ACTIVITIES, TOPICS
from shared.settings import Settings
from tests.faults.inside import database, rows, the_log
from tests.soak.actions import METRICS
from tests.soak.stage import Stage
from tests.system import System, until

CAUGHT_UP_S = 1.0
"""An outbox whose oldest event is younger than this has caught up."""
WITHIN_S = 120.0
_REST_S = 3.0
T = TypeVar("T")
Tell = Callable[[str], None]


class Times(NamedTuple):
    """Seconds after a kill, of each round: what was waited for -> how long it took."""

    what: str
    seconds: Sequence[float]

    @property
    def p50(self) -> float:
        return statistics.median(self.seconds)

    @property
    def most(self) -> float:
        return max(self.seconds)


def measure(stage: Stage, rounds: int, tell: Tell) -> list[Times]:
    """Kill a broker, and then a replica of metrics, again and again; each time all is well again before the next."""
    found: dict[str, list[float]] = {}
    for kill in (_broker, _replica):
        for number in range(rounds):
            took = kill(stage, number)
            tell(", ".join(f"{what}: {seconds:.2f} s" for what, seconds in took.items()))
            for what, seconds in took.items():
                found.setdefault(what, []).append(seconds)
            time.sleep(_REST_S)
    return [Times(what, seconds) for what, seconds in found.items()]


def _broker(stage: Stage, _number: int) -> dict[str, float]:
    """The one that leads most partitions of the activities. Records bear the time at which a broker appended them."""
    system = stage.system
    leaders = _patiently(lambda: _leaders(stage))
    ((node, _),) = Counter(leaders.values()).most_common(1)
    before = _patiently(lambda: _ends(system))
    killed_at = time.time()
    stage.kill(f"broker {node}")
    until(lambda: _oldest_s(system) < CAUGHT_UP_S and time.time() - killed_at > CAUGHT_UP_S, WITHIN_S)
    caught_up_s = time.time() - killed_at
    stage.start_broker(f"broker {node}")
    until(lambda: _patiently(lambda: _all_in_sync(stage)), WITHIN_S)
    first = _patiently(lambda: _first_appended(system, before, killed_at))
    return {
        "broker killed -> first event published": min(first.values()),
        "broker killed -> first event published to a partition that it led": min(
            first[at] for at, leader in leaders.items() if leader == node
        ),
        "broker killed -> events published to every partition": max(first.values()),
        f"broker killed -> no event in ingest's outbox is older than {CAUGHT_UP_S:g} s": caught_up_s,
    }


def _patiently(ask: Callable[[], Coroutine[None, None, T]]) -> T:
    """What it answers; it is asked again while brokers are away."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        try:
            return asyncio.run(ask())
        except (KafkaError, LogUnavailable):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


async def _leaders(stage: Stage) -> dict[TopicPartition, int]:
    return {
        TopicPartition(ACTIVITIES, partition["partition"]): partition["leader"]
        for partition in await _partitions(stage, [ACTIVITIES])
    }


async def _all_in_sync(stage: Stage) -> bool:
    nodes = len(stage.cluster.brokers)
    return all(len(partition["isr"]) == nodes for partition in await _partitions(stage, TOPICS))


async def _partitions(stage: Stage, names: Sequence[str]) -> list[Mapping[str, Any]]:
    admin: AIOKafkaAdminClient = make_admin(Settings(kafka_bootstrap_servers=stage.cluster.bootstrap))
    await admin.start()
    try:
        return [p for topic in await admin.describe_topics(list(names)) for p in topic["partitions"]]
    finally:
        await admin.close()


async def _ends(system: System) -> Positions:
    async with the_log(database(system), system.kafka) as log:
        return await log.ends([ACTIVITIES])


async def _first_appended(system: System, before: Positions, killed_at: float) -> dict[TopicPartition, float]:
    """Seconds from the kill to the first record of each partition that was appended after it."""
    found: dict[TopicPartition, float] = {}
    deadline = time.monotonic() + WITHIN_S
    async with the_log(database(system), system.kafka) as log:
        for at, reached in before.items():
            while at not in found:
                assert time.monotonic() < deadline, f"nothing is published to {at}"
                records = await log.read(at, reached, 5000)
                later = [s for r in records if (s := r.appended_at.timestamp() - killed_at) > 0]
                if later:
                    found[at] = min(later)
                elif records:
                    reached = records[-1].offset + 1
                else:
                    await asyncio.sleep(0.1)
    return found


def _oldest_s(system: System) -> float:
    statement = "select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 from ingest.outbox"
    return float(rows(database(system), statement)[0][0])


def _replica(stage: Stage, number: int) -> dict[str, float]:
    """One that the system does not start again by itself, so that the others must take over."""
    name = METRICS[1 + number % 2]
    url = database(stage.system)
    until(lambda: len(_members(url)) == 2 * len(METRICS), WITHIN_S)
    port = stage.ports("metrics")[METRICS.index(name)]
    shards = [s for member, held in _members(url).items() if f":{port}." in member for s in held]
    assert shards
    killed_at = time.monotonic()
    stage.kill(name)
    at_kill = _positions(url, shards)
    until(
        lambda: set(shards) <= {s for m, held in _members(url).items() if f":{port}." not in m for s in held}, WITHIN_S
    )
    taken_s = time.monotonic() - killed_at
    until(lambda: all(n > at_kill.get(shard, 0) for shard, n in _positions(url, shards).items()), WITHIN_S)
    served_s = time.monotonic() - killed_at
    stage.keep()
    until(lambda: len(_members(url)) == 2 * len(METRICS), WITHIN_S)
    return {
        "replica of metrics killed -> others hold all of its partitions": taken_s,
        "replica of metrics killed -> events of all of its partitions are counted": served_s,
    }


def _members(url: str) -> dict[str, list[int]]:
    """The shards of each member that has some; a process has as many members as consumers."""
    statement = "select member, array_agg(shard) from log.leases where consumer_group = 'metrics' group by member"
    return {row[0]: row[1] for row in rows(url, statement)}


def _positions(url: str, shards: Sequence[int]) -> dict[int, int]:
    statement = "select partition, next_offset from metrics.positions where topic = $1 and partition = any($2::int[])"
    return {row[0]: row[1] for row in rows(url, statement, ACTIVITIES, list(shards))}

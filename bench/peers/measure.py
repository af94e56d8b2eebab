"""Runs one peer after the other, and tells how they did."""

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.cpu import Spent
from bench.peers import install, tasuki
from bench.peers.beside import PeerFailed, run
from bench.peers.exact import by_day_and_rep, judge
from bench.peers.stage import Stage, stage
from bench.report import figure, heading, ratio
from shared.kafka import BrokerError

EVENTS, QUICK_EVENTS = 1_000_000, 50_000
PATIENCE_S, LEAST_EVENTS_S = 60.0, 2_000
"""A peer is given so many seconds, and more by the events that it has to take, and is ended then."""


class Found(NamedTuple):
    """How a peer did. `exact`: whether its counts are right, or what is wrong with them."""

    events_s: float
    spent: Spent
    memory_mib: float
    exact: str


class Peer(NamedTuple):
    """`durable`: whether what was counted outlives the process."""

    name: str
    what: str
    durable: str
    measure: Callable[[Stage], Found]


def _floor(stage: Stage) -> Found:
    return _beside(stage, [sys.executable, "-m", "bench.peers.programs.floor"])._replace(exact="-")


def _python(module: str) -> Callable[[Stage], Found]:
    return lambda stage: _beside(stage, [install.python(), "-m", f"bench.peers.programs.{module}"])


def _streams(stores: str) -> Callable[[Stage], Found]:
    return lambda stage: _beside(stage, install.streams(), stores)


def _beside(stage: Stage, program: Sequence[str], *more: str) -> Found:
    work = stage.work()
    passed = run([*program, *work.arguments(), *more], work, _limit_s(stage))
    exact = judge(stage.right, passed.counts)
    return Found(stage.events / passed.spent.seconds, passed.spent, passed.memory_mib, exact)


def _limit_s(stage: Stage) -> float:
    return PATIENCE_S + stage.events / LEAST_EVENTS_S


def _tasuki(stage: Stage) -> Found:
    taken, memory_mib, counts = tasuki.run(stage, _limit_s(stage))
    return Found(taken.records_s, taken.spent, memory_mib, judge(by_day_and_rep(stage.right), counts))


PEERS = (
    Peer("floor", "aiokafka getmany, bytes only: the floor (first)", "-", _floor),
    Peer("kafka-streams", "Kafka Streams, exactly once, RocksDB, one count", "yes", _streams("rocksdb")),
    Peer("kafka-streams-memory", "Kafka Streams, exactly once, in memory, one count", "yes", _streams("memory")),
    Peer("tasuki", "Tasuki's metrics service, the whole catalogue", "yes", _tasuki),
    Peer("faststream", "FastStream, batches into a dict, one count", "no", _python("with_faststream")),
    Peer("bytewax", "Bytewax with recovery, one count", "yes", _python("with_bytewax")),
    Peer("quix", "Quix Streams, exactly once, one count", "yes", _python("with_quix")),
    Peer("floor", "aiokafka getmany, bytes only: the floor (last)", "-", _floor),
)
NAMES = tuple(dict.fromkeys(peer.name for peer in PEERS))


def measure(*, events: int, seed: int, only: Sequence[str] = NAMES) -> None:
    """Print the table."""
    what = f"peers: {events:,} calls of {max(1, events // 10):,} leads on Kafka"
    heading(f"{what:<60} {'events/s':>16} {_columns('of the floor', 'CPU s', 'MiB', 'durable', 'exact')}")
    try:
        with stage(events, seed) as shared:
            found = [(peer, _measured(peer, shared)) for peer in PEERS if peer.name in only]
    except BrokerError as error:
        figure("none of them", "not run", str(error))
        return
    tell(found)


def _measured(peer: Peer, shared: Stage) -> Found | str:
    """How it did, or why it did not."""
    print(f"    ... {peer.what}", file=sys.stderr, flush=True)
    try:
        return peer.measure(shared)
    except (install.NotInstalled, PeerFailed, RuntimeError) as error:
        return str(error)


def tell(found: Sequence[tuple[Peer, Found | str]]) -> None:
    """Print the rows, and what Tasuki is to each that it is compared with; a text: why a peer did not run."""
    speeds: dict[str, list[float]] = {}
    for peer, how in found:
        if isinstance(how, Found):
            speeds.setdefault(peer.name, []).append(how.events_s)
    speed = {name: len(all_of) / sum(1 / one for one in all_of) for name, all_of in speeds.items()}
    for peer, how in found:
        if isinstance(how, str):
            figure(peer.what, "not run", how)
        else:
            figure(peer.what, f"{how.events_s:,.0f}", _row(peer, how, speed.get("floor")))
    for other, title, must, aim in (
        ("kafka-streams", "Kafka Streams", ">= 2.0", ">= 5.0"),
        ("kafka-streams-memory", "Kafka Streams in memory", "", ""),
        ("floor", "the floor", ">= 0.20", ">= 0.50"),
    ):
        if {"tasuki", other} <= speed.keys():
            ratio(f"Tasuki / {title}", speed["tasuki"] / speed[other], must=must, aim=aim)


def _row(peer: Peer, how: Found, floor: float | None) -> str:
    share = f"{how.events_s / floor:.3f}" if floor else "-"
    cpu_s = f"{how.spent.python_s:.1f}" + (f"+{how.spent.postgres_s:.1f}" if how.spent.postgres_s else "")
    return _columns(share, cpu_s, f"{how.memory_mib:,.0f}", peer.durable, how.exact)


def _columns(share: str, cpu_s: str, memory_mib: str, durable: str, exact: str) -> str:
    return f"{share:>13} {cpu_s:>10} {memory_mib:>6}  {durable:<7}  {exact}"

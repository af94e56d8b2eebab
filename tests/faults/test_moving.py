"""The embedded log moves to Kafka under load: nothing is lost or doubled, and every position stays right."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.eventlog import topics
from shared.eventlog.moving import move
from shared.eventlog.opened import open_log
from shared.eventlog.port import LogError, Message
from shared.events import LEADS
from shared.settings import Settings
from tests.faults.inside import database, errors_logged, telling_errors
from tests.faults.load import Load
from tests.faults.oracle import check
from tests.kafka import StartCluster
from tests.system import System, tasuki


def test_a_running_system_moves_to_kafka(
    data_dir: Path, free_port: Callable[[], int], kafka_cluster: StartCluster
) -> None:
    kafka = kafka_cluster(brokers=1).bootstrap
    asyncio.run(topics.apply(Settings(kafka_bootstrap_servers=kafka)))
    with System(data_dir, free_port) as system, telling_errors(system):
        with Load(system, 900, seed=25) as load:
            load.release(load.size // 2)
            load.wait_done(load.size // 3)
            moved = tasuki(system, "log", "migrate", TASUKI_KAFKA_BOOTSTRAP_SERVERS=kafka)
            assert moved.returncode == 0, moved.stderr
            assert "each was read back and is the same" in moved.stdout
            load.wait_done(load.size // 2 - 250)  # ingest goes on, and publishes nothing
            assert system.stop() == 0
            system.environment["TASUKI_KAFKA_BOOTSTRAP_SERVERS"] = kafka
            system.launch()
            system.wait_ready()
        figures = check(system, load)
        assert [line for line in errors_logged(system) if "the log has moved to Kafka" not in line] == []
        with pytest.raises(LogError, match=r"moved to Kafka at .*set TASUKI_KAFKA_BOOTSTRAP_SERVERS"):
            asyncio.run(open_log(Settings(database_url=database(system))))
    print(f"\nmoved during {figures}")


async def test_a_move_that_was_broken_off_goes_on_and_other_records_are_refused(
    database_url: str, kafka_cluster: StartCluster
) -> None:
    kafka = kafka_cluster(brokers=1).bootstrap
    settings = Settings(database_url=database_url, kafka_bootstrap_servers=kafka)
    embedded = await open_log(Settings(database_url=database_url))
    await embedded.append([Message(LEADS, f"lead-{n % 9}", (("ce_id", b"1"),), str(n).encode()) for n in range(4000)])
    await topics.apply(settings)
    told: list[tuple[int, int]] = []

    def interrupted(done: int, total: int) -> None:
        told.append((done, total))
        if done > 2000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await move(settings, interrupted)
    await embedded.append([Message(LEADS, "lead-1", (), b"later")])  # nothing is closed yet
    moved = await move(settings, lambda done, total: told.append((done, total)))
    assert moved.records == 4001
    assert told[-1][0] <= told[-1][1]

    kafka_log = await open_log(settings)
    for at, end in (await embedded.ends([LEADS])).items():
        ours, theirs = await embedded.read(at, 0, 5000), await kafka_log.read(at, 0, 5000)
        assert [(r.offset, r.key, r.headers, r.value) for r in theirs] == [
            (r.offset, r.key, r.headers, r.value) for r in ours
        ]
        assert len(ours) == end
    with pytest.raises(Exception, match="the log has moved to Kafka"):
        await embedded.append([Message(LEADS, "lead-1", (), b"too late")])
    await kafka_log.close()
    await embedded.close()


async def test_a_log_is_not_moved_to_where_something_else_is(database_url: str, kafka_cluster: StartCluster) -> None:
    kafka = kafka_cluster(brokers=1).bootstrap
    settings = Settings(database_url=database_url, kafka_bootstrap_servers=kafka)
    await topics.apply(settings)
    embedded, kafka_log = await open_log(Settings(database_url=database_url)), await open_log(settings)
    await embedded.append([Message(LEADS, "lead", (), b"ours")])
    await kafka_log.append([Message(LEADS, "lead", (), b"theirs")])
    with pytest.raises(LogError, match="other records"):
        await move(settings, lambda done, total: None)
    await kafka_log.append([Message(LEADS, "lead", (), b"more")])
    with pytest.raises(LogError, match="more of"):
        await move(settings, lambda done, total: None)
    await embedded.append([Message(LEADS, "lead", (), b"it is open still")])
    await kafka_log.close()
    await embedded.close()

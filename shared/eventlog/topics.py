"""Tasuki's topics on Kafka: made and mended by `tasuki topics apply`, looked at whenever a service starts."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, NoError, TopicAuthorizationFailedError, for_code

from shared.eventlog.kafka_client import LETTER_BYTES, MESSAGE_BYTES, kafka_errors, make_admin
from shared.eventlog.kafka_refusal import why_refused
from shared.eventlog.port import LogError
from shared.events import DEAD_LETTERS, TOPICS
from shared.settings import Settings

LED_WITHIN_S = 30.0
APPLY = "run `tasuki topics apply`"


class Topic(NamedTuple):
    """A topic as it is. `config`: what was set for this topic, not what it has from the broker."""

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


class Change(NamedTuple):
    """Something that `apply` has done, in words."""

    topic: str
    what: str


def wanted_config(settings: Settings, name: str, replicas: int) -> dict[str, str]:
    """What a topic of ours is set to, see docs/operations.md."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(settings.kafka_retention_ms),  # -1: for ever, so that numbers can always be made anew
        "retention.bytes": "-1",
        "min.insync.replicas": str(_min_isr(settings, replicas)),
        "unclean.leader.election.enable": "false",  # a replica that lags would lose what was confirmed
        "max.message.bytes": str(LETTER_BYTES if name == DEAD_LETTERS else MESSAGE_BYTES),
        "message.timestamp.type": "LogAppendTime",  # a producer's clock is no evidence
        "compression.type": "producer",
    }


async def apply(settings: Settings) -> list[Change]:
    """Make the topics that are missing, and set what is set otherwise; what an operator has set beyond that stays.

    Raises LogUnavailable; LogError when a topic has too few replicas, or another number of partitions than the others:
    neither can be mended without moving data.
    """
    changes: list[Change] = []
    async with _admin(settings) as admin:
        brokers = len((await admin.describe_cluster())["brokers"])
        there = await _describe(admin, TOPICS)
        partitions = _common_partitions(there) if there else settings.log_partitions
        for name in TOPICS:
            if name not in there:
                replicas = settings.kafka_replication or min(3, brokers)
                await _create(admin, name, partitions, replicas, wanted_config(settings, name, replicas))
                changes.append(Change(name, f"made: {partitions} partitions, {replicas} replicas"))
                continue
            found = there[name]
            if found.replicas < (settings.kafka_replication or 1):
                raise LogError(
                    f"topic {name} has {found.replicas} replicas, not {settings.kafka_replication}: add some by "
                    "kafka-reassign-partitions, then apply again"
                )
            other = {k: v for k, v in wanted_config(settings, name, found.replicas).items() if found.config.get(k) != v}
            if other:
                await _alter(admin, name, {**found.config, **other})
                changes += [Change(name, f"{key} = {value}") for key, value in other.items()]
        await _all_led(admin)
    return changes


async def check(settings: Settings) -> int:
    """The number of partitions of every topic. Raises LogUnavailable; LogError when a topic is missing or wrong."""
    async with _admin(settings) as admin:
        there = await _describe(admin, TOPICS)
    if missing := [name for name in TOPICS if name not in there]:
        raise LogError(f"Kafka has no topic {', '.join(missing)}: {APPLY}")
    for topic in there.values():
        finite = {k: v for k, v in _retention(topic).items() if v != "-1"}
        if finite and settings.kafka_retention_ms == -1:
            raise LogError(
                f"topic {topic.name} does not keep its events ({', '.join(f'{k} = {v}' for k, v in finite.items())}); "
                f"numbers could not be made anew: {APPLY}, or set TASUKI_KAFKA_RETENTION_MS"
            )
    return _common_partitions(there)


def _retention(topic: Topic) -> dict[str, str]:
    """Limits of age and size; none was set: the broker's default, which is finite."""
    return {"retention.ms": topic.config.get("retention.ms", "the broker's default")} | {
        "retention.bytes": topic.config.get("retention.bytes", "-1")
    }


def _common_partitions(topics: Mapping[str, Topic]) -> int:
    """Raises LogError when they differ: a key would be in one shard of one topic and in another of the next."""
    counts = {topic.partitions for topic in topics.values()}
    if len(counts) > 1:
        told = ", ".join(f"{topic.name} {topic.partitions}" for topic in topics.values())
        raise LogError(
            f"all topics need the same number of partitions, and have: {told}. Kafka takes none away: give all of them "
            f"{max(counts)} by kafka-topics --alter --partitions, then restart all services"
        )
    return counts.pop()


def _min_isr(settings: Settings, replicas: int) -> int:
    return settings.kafka_min_isr or (2 if replicas >= 3 else 1)


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client for a `with` block; errors are those of the port. Raises LogError with what to mend, too, when
    brokers are there and do not let us in."""
    client = make_admin(settings)
    async with kafka_errors():
        try:
            await client.start()
            yield client
        except (KafkaError, OSError):
            if (reason := await why_refused(settings)) is not None:
                raise LogError(reason) from None
            raise
        finally:
            await client.close()


async def _describe(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, Topic]:
    """Those of the topics that are there."""
    told = await admin.describe_topics(list(names))
    if hidden := [t["topic"] for t in told if t["error_code"] == TopicAuthorizationFailedError.errno]:
        raise TopicAuthorizationFailedError(", ".join(hidden))  # there or not: Kafka does not say
    found = {topic["topic"]: topic["partitions"] for topic in told if topic["error_code"] == NoError.errno}
    configs = await _configs(admin, found)
    return {
        name: Topic(name, len(partitions), min(len(p["replicas"]) for p in partitions), configs[name])
        for name, partitions in found.items()
    }


async def _all_led(admin: AIOKafkaAdminClient) -> None:
    """Wait until every broker asked knows all topics, and each partition has a leader: a new topic takes a moment."""
    async with asyncio.timeout(LED_WITHIN_S):
        while True:
            found = await admin.describe_topics(list(TOPICS))
            if all(t["error_code"] == NoError.errno and all(p["leader"] >= 0 for p in t["partitions"]) for t in found):
                return
            await asyncio.sleep(0.05)


_SET_FOR_THE_TOPIC = 1  # of the sources that Kafka tells (DescribeConfigs): DYNAMIC_TOPIC_CONFIG


async def _configs(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for error_code, message, _, name, entries in answer.resources:
            _raise_for(error_code, message)
            found[name] = {key: value for key, value, _, source, *_ in entries if source == _SET_FOR_THE_TOPIC}
    return found


async def _create(
    admin: AIOKafkaAdminClient, name: str, partitions: int, replicas: int, config: Mapping[str, str]
) -> None:
    answer = await admin.create_topics([NewTopic(name, partitions, replicas, topic_configs=dict(config))])
    for _, error_code, *message in answer.topic_errors:
        _raise_for(error_code, message[0] if message else None)


async def _alter(admin: AIOKafkaAdminClient, name: str, config: Mapping[str, str]) -> None:
    """All that is set for the topic: what is not named falls back to the broker's default."""
    for answer in await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, dict(config))]):
        for error_code, message, *_ in answer.resources:
            _raise_for(error_code, message)


def _raise_for(error_code: int, message: str | None) -> None:
    error = for_code(error_code)
    if error is not NoError:
        raise error(message or "")

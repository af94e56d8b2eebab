"""How Tasuki speaks to Apache Kafka: every client setting that matters, in one place, and what its errors mean."""

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

from aiokafka import AIOKafkaClient, AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
    UnsupportedSaslMechanismError,
)

from shared.eventlog.port import UNREADABLE, LogError, LogUnavailable, Record, RecordRefused, TopicPartition
from shared.settings import Settings

REQUEST_TIMEOUT_S = 5.0
"""How long a broker may take for one answer."""
FETCH_WAIT_MS = 100
"""How long a broker holds back the answer to a fetch when it has nothing: a partition that has just been emptied is not
asked for again before the fetch of the others has come back."""
FETCH_BYTES = 16 * 1024 * 1024
PARTITION_FETCH_BYTES = 4 * 1024 * 1024
"""What waits in memory is bounded by this, for each partition; a larger record still comes, alone."""
MESSAGE_BYTES = 4 * 1024 * 1024
"""Greatest record of a topic; more than any event of ours, so that those of others come as dead letters."""
LETTER_BYTES = MESSAGE_BYTES + 64 * 1024
"""Greatest record of the topic of dead letters: a copy, and what is told about it."""
BATCH_BYTES = 256 * 1024

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
"""What matters reaches us as an exception; its own lines come at every try of a long outage."""

_TO_BE_MENDED = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    InvalidTopicError,
    SaslAuthenticationFailed,
    UnsupportedCodecError,
    UnsupportedSaslMechanismError,
)
"""Waiting alone does not help: somebody has to change a setting, here or on the broker."""
_ALLOW = (
    "allow the user Describe, DescribeConfigs, Read and Write on the topics tasuki.*, and for `tasuki topics apply` "
    "Create and AlterConfigs as well"
)


def make_consumer(settings: Settings) -> AIOKafkaConsumer:
    """A consumer without a group, whose partitions and positions are given to it: the database's positions hold, the
    broker keeps none, and nobody jumps to the latest record when a position is not there any more."""
    return AIOKafkaConsumer(
        **_common(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        check_crcs=True,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        fetch_max_bytes=FETCH_BYTES,
        max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
    )


def make_producer(settings: Settings) -> AIOKafkaProducer:
    """A producer whose records are on all replicas in sync when they are confirmed, in their order, each once as long
    as it lives."""
    return AIOKafkaProducer(
        **_common(settings),
        acks="all",
        enable_idempotence=True,
        linger_ms=0,  # a batch is complete when it is handed over
        max_batch_size=BATCH_BYTES,
        max_request_size=LETTER_BYTES,
        compression_type=None if settings.kafka_compression == "none" else settings.kafka_compression,
    )


def make_admin(settings: Settings) -> AIOKafkaAdminClient:
    """For topics and their configuration."""
    return AIOKafkaAdminClient(**_common(settings))


def make_client(settings: Settings) -> AIOKafkaClient:
    """For questions that none of the others asks; it has to be bootstrapped."""
    return AIOKafkaClient(**_common(settings))


def _common(settings: Settings) -> dict[str, Any]:
    options = connection_options(settings)
    return options | {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "metadata_max_age_ms": 60_000,
        "retry_backoff_ms": 100,
        "connections_max_idle_ms": 540_000,
    }


def connection_options(settings: Settings) -> dict[str, Any]:
    """How any single connection is made, and how we prove who we are. Raises LogError when that cannot be."""
    options: dict[str, Any] = {
        "client_id": "tasuki",
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": _ssl_context(settings) if settings.kafka_security_protocol.endswith("SSL") else None,
        "request_timeout_ms": int(REQUEST_TIMEOUT_S * 1000),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        if settings.kafka_sasl_username is None or settings.kafka_sasl_password is None:
            raise LogError(
                f"TASUKI_KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}: set TASUKI_KAFKA_SASL_USERNAME "
                "and TASUKI_KAFKA_SASL_PASSWORD"
            )
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
        }
    return options


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    """TLS with the authority's certificate given (or the machine's), and our own certificate where the broker wants
    one. Raises LogError."""
    authority, ours, key = settings.kafka_ssl_ca_file, settings.kafka_ssl_cert_file, settings.kafka_ssl_key_file
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:  # an SSLError is one, too
        raise LogError(f"TASUKI_KAFKA_SSL_CA_FILE: {authority} cannot be used: {error}") from error
    if ours is not None:
        try:
            context.load_cert_chain(ours, key, password="")  # a locked key would ask the terminal
        except OSError as error:
            raise LogError(
                f"TASUKI_KAFKA_SSL_CERT_FILE and TASUKI_KAFKA_SSL_KEY_FILE: {ours} and {key or 'the key in it'} "
                f"cannot be used: {error}"
            ) from error
    return context


@asynccontextmanager
async def kafka_errors() -> AsyncIterator[None]:
    """What goes wrong with Kafka as errors of the port."""
    try:
        yield
    except MessageSizeTooLargeError as error:
        raise RecordRefused(_words(error)) from error
    except TopicAuthorizationFailedError as error:
        raise LogError(f"{_words(error).rstrip('.')}: {_ALLOW}") from error
    except _TO_BE_MENDED as error:
        raise LogError(_words(error)) from error
    except (KafkaError, ConsumerStoppedError, OSError) as error:  # a TimeoutError is an OSError
        raise LogUnavailable(_words(error)) from error


def _words(error: Exception) -> str:
    text = str(error) or "no answer in time"
    return f"Kafka: {type(error).__name__.removesuffix('Error')}: {text.removeprefix(type(error).__name__ + ': ')}"


def to_record(found: ConsumerRecord) -> Record:
    """A record of aiokafka as one of the port. A key that is no UTF-8 keeps what of it can be read."""
    headers = tuple(found.headers)
    if None in map(_second, headers):
        headers = tuple((name, value or b"") for name, value in headers)
    return Record(
        found.topic,
        found.partition,
        found.offset,
        None if found.key is None else found.key.decode(errors="replace"),
        headers,
        found.value,
        _moment(found.timestamp),
    )


@lru_cache(maxsize=1_000)  # records that were written together have one
def _moment(timestamp_ms: int) -> datetime:
    return datetime.fromtimestamp(max(0, timestamp_ms) / 1000, UTC)


_second = itemgetter(1)


async def take_of(consumer: AIOKafkaConsumer, at: TopicPartition, most: int, wait_s: float) -> list[Record]:
    """The next records of one partition, at most so many. One that the client cannot take apart (a header whose name is
    no UTF-8) comes as `unreadable`: it must not stop those behind it."""
    partition = to_kafka(at)
    start = await consumer.position(partition)
    try:
        found = await consumer.getmany(partition, timeout_ms=int(wait_s * 1000), max_records=most)
    except KafkaError:
        raise
    except Exception:  # whatever the client stumbles over: it is found below
        consumer.seek(partition, start)
        return await _one_by_one(consumer, at, most)
    return [to_record(record) for record in found.get(partition, ())]


async def _one_by_one(consumer: AIOKafkaConsumer, at: TopicPartition, most: int) -> list[Record]:
    partition, records = to_kafka(at), list[Record]()
    while len(records) < most:
        try:
            found = await consumer.getmany(partition, timeout_ms=int(REQUEST_TIMEOUT_S * 1000), max_records=1)
        except KafkaError:
            raise
        except Exception as error:  # told in a dead letter
            offset = await consumer.position(partition)
            consumer.seek(partition, offset + 1)
            return [*records, unreadable(at, offset, error)]
        if not found:
            break
        records += [to_record(record) for record in found[partition]]
    return records


def unreadable(at: TopicPartition, offset: int, error: Exception) -> Record:
    """A record of which no more than its place is known; its bytes stay in the log."""
    said = f"{type(error).__name__}: {error}".encode(errors="replace")
    return Record(at.topic, at.partition, offset, None, ((UNREADABLE, said),), None, datetime.now(UTC))


def to_kafka(at: TopicPartition) -> KafkaPartition:
    """The port's partition as aiokafka names it."""
    return KafkaPartition(at.topic, at.partition)


def from_kafka(at: KafkaPartition) -> TopicPartition:
    """The inverse of to_kafka."""
    return TopicPartition(at.topic, at.partition)

"""The log that the settings name."""

from shared.eventlog.port import EventLog
from shared.settings import Settings


async def open_log(settings: Settings) -> EventLog:
    """Kafka where brokers are named, else the log in PostgreSQL. Raises LogUnavailable; LogError, with what to do."""
    if settings.kafka_bootstrap_servers is not None:
        from shared.eventlog.kafka import KafkaLog  # only who uses Kafka pays for its client

        return await KafkaLog.open(settings)
    from shared.eventlog.embedded import EmbeddedLog

    return await EmbeddedLog.open(settings)

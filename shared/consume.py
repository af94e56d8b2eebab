"""The way in: takes records from the log so that each event has its effect exactly once."""

from shared.inbox import CREATE_V1, ConsumerTables, Fresh, Handler, Received, Rejected, SeenTable, consumer_tables

__all__ = [
    "CREATE_V1",
    "ConsumerTables",
    "Fresh",
    "Handler",
    "Received",
    "Rejected",
    "SeenTable",
    "consumer_tables",
]

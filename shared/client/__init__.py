"""The typed client of Tasuki's services, synchronous and asynchronous from one source.

from . import Client, ingest, handoff
with Client.of(Settings()) as tasuki:
    lead = tasuki.send(ingest.submit_lead({"email": "mei@example.jp"}))
    print(tasuki.send(handoff.readiness(lead.lead_id)).decision)
"""

from . import handoff, ingest, metrics, outreach
from .drivers import AsyncClient, Client
from .errors import (
    BadRequest,
    Conflict,
    FieldError,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ProblemError,
    ServerError,
    TasukiError,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    UnsupportedMedia,
)
from .exchange import Retry
from .operation import Operation, dead_letters, own_key, retry_dead_letter

__all__ = [
    "AsyncClient",
    "BadRequest",
    "Client",
    "Conflict",
    "FieldError",
    "Forbidden",
    "Gone",
    "Invalid",
    "NotFound",
    "Operation",
    "ProblemError",
    "Retry",
    "ServerError",
    "TasukiError",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "UnsupportedMedia",
    "dead_letters",
    "handoff",
    "ingest",
    "metrics",
    "outreach",
    "own_key",
    "retry_dead_letter",
]

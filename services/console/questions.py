"""Several questions to the numbers in one request, so that the figures of a page are all of one moment."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from shared.client import metrics
from shared.client.operation import Operation
from shared.client.types import AllValues

Rows = list[dict[str, Any]]
Key = TypeVar("Key")
Send = Callable[[Operation[AllValues]], Awaitable[AllValues]]


async def ask(send: Send, questions: Mapping[Key, Mapping[str, str]]) -> dict[Key, Rows]:
    """The rows of each question. Raises TasukiError."""
    if not questions:
        return {}
    found = await send(metrics.all_values(list(questions.values())))
    return {key: answer.rows for key, answer in zip(questions, found.answers, strict=True)}

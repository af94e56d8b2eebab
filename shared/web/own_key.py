"""What a caller may do, told to itself: a client shows only what its key is good for."""

from typing import Annotated

import msgspec

from shared.web.endpoint import ANY_KEY, Answer, Call, Endpoint


class OwnKey(msgspec.Struct):
    """The caller's API key (or token): its name and its scopes."""

    name: str
    scopes: Annotated[list[str], msgspec.Meta(description="`admin` holds all others.")]


def own_key_endpoint() -> Endpoint:
    """`GET /v1/key`."""
    return Endpoint(
        method="GET",
        path="/v1/key",
        handler=_answer,
        scope=ANY_KEY,
        summary="Whose API key this is, and what it may do",
        answers={200: OwnKey},
    )


async def _answer(call: Call) -> Answer:
    return Answer(OwnKey(call.caller.name, sorted(call.caller.scopes)))

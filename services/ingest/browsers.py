"""What a visitor's browser posts itself: scripts of other origins may, and a plain form ends on a page for people."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.config.sources import Source
from shared.web import Answer
from shared.web.app import InFront

REMEMBERED_S = 86_400
"""How long a browser may remember that it was allowed."""


def open_to(sources: Collection[Source]) -> InFront | None:
    """What lets scripts on the `origins` of a source post to its webhook, and read what is answered, errors too; None
    when there are none: then no request is made slower."""
    wanted = {f"/v1/webhooks/{source.id}": source.origins for source in sources if source.origins}
    return partial(_Origins, wanted) if wanted else None


class _Origins:
    def __init__(self, wanted: Mapping[str, Sequence[str]], app: ASGIApp) -> None:
        self._app = app
        self._at = {
            path: CORSMiddleware(
                app,
                allow_origins=origins,
                allow_methods=["POST"],
                allow_headers=["content-type", "idempotency-key"],
                expose_headers=["idempotent-replayed", "retry-after", "x-request-id"],
                max_age=REMEMBERED_S,
            )
            for path, origins in wanted.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._at.get(scope["path"], self._app) if scope["type"] == "http" else self._app
        await app(scope, receive, send)


def shown(answer: Answer, source: Source, accept: str) -> Answer:
    """The answer to what was taken; where a person would see it, the way to the source's page of thanks."""
    if source.thanks_url is None or "text/html" not in accept.lower():
        return answer
    return Answer(answer.body, 303, {"location": source.thanks_url})

"""One attempt to post to an endpoint, and what its answer means."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import NamedTuple

from services.handoff.webhooks.endpoints import WebhookEndpoint, allowed_for
from services.handoff.webhooks.schedule import asked_pause_s
from services.handoff.webhooks.standard import Post, headers_of
from shared.addresses import Network
from shared.clock import Clock
from shared.safe_http import Fetcher, FetchError

DEADLINE_S = 15.0
GONE = 410
_ASKS_FOR_PAUSES = (429, 503)


class Sent(NamedTuple):
    """How an attempt ended: the status of the answer if there was one, and why it failed (None: it did not).

    `asked_pause_s`: for how long the endpoint asked to be left alone.
    """

    answer: int | None
    reason: str | None
    asked_pause_s: float | None = None


class Sender:
    """Posts to endpoints, each by the way that is allowed to it. fetchers: by endpoint."""

    def __init__(self, fetchers: Mapping[str, Fetcher], clock: Clock) -> None:
        self._fetchers = fetchers
        self._clock = clock

    async def send(self, endpoint: WebhookEndpoint, event_id: str, post: Post) -> Sent:
        """Post once. Neither the address nor what was answered stands in what this returns."""
        headers = headers_of(post, event_id, endpoint.secrets, self._clock.now())
        try:
            posted = await self._fetchers[endpoint.id].post(endpoint.url, post.body, headers, DEADLINE_S)
        except FetchError as error:
            return Sent(None, str(error))
        if 200 <= posted.status < 300:
            return Sent(posted.status, None)
        asked = None
        if posted.status in _ASKS_FOR_PAUSES:
            asked = asked_pause_s(posted.headers.get("retry-after"), self._clock.now())
        return Sent(posted.status, _reason(posted.status), asked)


def fetchers_of(endpoints: Mapping[str, WebhookEndpoint], private: tuple[Network, ...]) -> dict[str, Fetcher]:
    """A fetcher for each endpoint: https to the public internet, http to the operator's own networks alone."""
    agent = f"tasuki-webhooks/{version('tasuki')}"
    return {
        endpoint.id: Fetcher(allowed_for(endpoint.url, private), agent, whom="the endpoint")
        for endpoint in endpoints.values()
    }


def _reason(status: int) -> str:
    if 300 <= status < 400:
        return f"the endpoint redirects ({status}): nothing is told to another address; configure the last one"
    if status == GONE:
        return "the endpoint answers 410: it is gone for good"
    return f"the endpoint answers {status}"

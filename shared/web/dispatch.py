"""One request, from its head to its answer: key, media type, body, query, Idempotency-Key, handler, errors."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from shared.audit_log import Audit
from shared.db import DatabaseUnavailable
from shared.eventlog.port import LogUnavailable
from shared.telemetry import Telemetry
from shared.web.audited import audit_event
from shared.web.auth import Access
from shared.web.bodies import convert, parse_json
from shared.web.endpoint import ANONYMOUS, ANY_KEY, EVENTS, JSON, Answer, Call, Caller, Endpoint, encode, problem_answer
from shared.web.idempotency import REPLAYED, Claim, Idempotency, claim_of, other_body
from shared.web.problems import Problem, internal, method_not_allowed, missing_scope, not_found, unavailable
from shared.web.query import parse_query
from shared.web.requests import ClientGone, Head, Stream, check_media_type, read_body, read_head

OBSERVED = "tasuki.observed"
"""Key of the ASGI scope under which inner layers tell the outermost one what they found: the scope itself is copied."""

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OPERATION_MAX = 300
_COMMON_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


@dataclass(frozen=True)
class Kit:
    """What every dispatcher needs."""

    access: Access
    audit: Audit
    idempotency: Idempotency
    telemetry: Telemetry


class Dispatch:
    """The ASGI application of one path: its endpoints by method."""

    def __init__(self, endpoints: Sequence[Endpoint], kit: Kit) -> None:
        self._route = endpoints[0].path
        self._endpoints = {endpoint.method: endpoint for endpoint in endpoints}
        if "GET" in self._endpoints:
            self._endpoints["HEAD"] = self._endpoints["GET"]
        self._kit = kit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[OBSERVED]["route"] = self._route
        try:
            answer = with_bytes(await self._answer(scope, receive))
        except ClientGone:
            return
        except Exception as error:
            answer = answer_to(error, self._kit.telemetry)
        await send_answer(answer, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            raise method_not_allowed(scope["method"], list(self._endpoints))
        head = read_head(scope)
        caller = await self._admit(endpoint, head)
        path: dict[str, str] = scope["path_params"]
        if any("\0" in part for part in path.values()):
            raise not_found()
        if scope["method"] in _WITH_BODY:
            check_media_type(head, endpoint)
        query = parse_query(scope["query_string"], endpoint.query) if endpoint.query is not None else None
        call: Call = Call(Request(scope, receive), path, None, query, b"", caller, endpoint.operation)
        if scope["method"] in _WITH_BODY:
            if endpoint.stream:
                call.stream = Stream(receive)
            else:
                call.raw = await read_body(receive, head)
            call.body = _body(endpoint, call.raw)
        if endpoint.proof is not None:
            endpoint.proof(call)
        if endpoint.keyed and head.idempotency_key is not None:
            answer = await self._once(endpoint, call, head.idempotency_key)
        else:
            answer = await endpoint.handler(call)
        if endpoint.scope is not None and answer.media_type == EVENTS:
            answer.body = self._while_admitted(answer.body, endpoint.scope, head)
        if endpoint.audited and answer.status < 300 and (REPLAYED in answer.headers or not endpoint.notes_itself):
            await self._kit.audit.note(audit_event(call, with_bytes(answer)))
        return answer

    async def _admit(self, endpoint: Endpoint, head: Head) -> Caller:
        if endpoint.scope is None:
            return ANONYMOUS
        caller = await self._kit.access.caller(head.authorization)
        if endpoint.scope != ANY_KEY and not caller.may(endpoint.scope):
            raise missing_scope(endpoint.scope)
        return caller

    async def _while_admitted(
        self, events: AsyncGenerator[bytes, None], scope: str, head: Head
    ) -> AsyncIterator[bytes]:
        """Events that have no end, up to the first that the key may not see any more: revoked, expired or narrowed.
        While nobody can tell, they go on."""
        async with aclosing(events):
            async for event in events:
                if not await self._still_may(scope, head):
                    return
                yield event

    async def _still_may(self, scope: str, head: Head) -> bool:
        try:
            caller = await self._kit.access.known(head.authorization)
        except Problem as problem:
            return problem.status != 401  # else it is the provider of tokens that cannot be asked
        except DatabaseUnavailable:
            return True
        return scope == ANY_KEY or caller.may(scope)

    async def _once(self, endpoint: Endpoint, call: Call, key: str) -> Answer:
        """Run the handler unless a request with this key has been answered already."""
        store = self._kit.idempotency
        claim = claim_of(call.caller.name, _operation(call.request), key, None if call.stream else call.raw)
        stored = await store.begin(claim)
        if stored is not None:
            if isinstance(call.stream, Stream) and await call.stream.body_hash() != stored.body_hash:
                raise other_body()
            return stored.answer
        call.idempotency_key = key
        try:
            answer = with_bytes(await endpoint.handler(call))
        except Problem as problem:
            answer = with_bytes(problem_answer(problem))
        except BaseException:
            await self._release(claim)
            raise
        await self._finish(claim, answer, call)
        return answer

    async def _finish(self, claim: Claim, answer: Answer, call: Call) -> None:
        """Store the answer. The work is done: an outage now must not turn it into an error; the claim expires."""
        try:
            body_hash = await call.stream.body_hash() if isinstance(call.stream, Stream) else None
            await self._kit.idempotency.finish(claim, answer, body_hash)
        except DatabaseUnavailable:
            self._kit.telemetry.log.warning("idempotent_answer_not_stored")

    async def _release(self, claim: Claim) -> None:
        try:
            await self._kit.idempotency.release(claim)
        except DatabaseUnavailable:
            self._kit.telemetry.log.info("idempotency_claim_left_to_expire")


def _body(endpoint: Endpoint, raw: bytes) -> Any:
    """The typed body. One that is sent where none is wanted must at least be JSON: its sender means something by it."""
    if endpoint.raw_body or endpoint.stream or (endpoint.body is None and not raw):
        return None
    parsed = parse_json(raw)
    if endpoint.body is None:
        return None
    return parsed if endpoint.body is Any else convert(parsed, endpoint.body)


def _operation(request: Request) -> str:
    """Method, path and query: short enough for an index, and without the secret that a webhook's address may hold."""
    scope = request.scope
    operation = f"{scope['method']} {scope['path']}"
    if scope["query_string"]:
        operation += "?" + scope["query_string"].decode("latin-1")
    if len(operation) > _OPERATION_MAX or "secret=" in operation:
        return "sha256:" + hashlib.sha256(operation.encode()).hexdigest()
    return operation


def answer_to(error: Exception, telemetry: Telemetry) -> Answer:
    """What is answered to an error: the one place where exceptions become HTTP."""
    if isinstance(error, Problem):
        return problem_answer(error)
    if isinstance(error, DatabaseUnavailable):
        return problem_answer(unavailable("database"))
    if isinstance(error, LogUnavailable):
        return problem_answer(unavailable("log"))
    telemetry.log.error("request_failed", exc_info=error)
    return problem_answer(internal())


def with_bytes(answer: Answer) -> Answer:
    """The same answer with its body encoded."""
    body = answer.body
    if isinstance(body, bytes) or hasattr(body, "__aiter__"):  # asking the ABC costs 4 % of a request
        return answer
    if isinstance(body, str) and answer.media_type != JSON:
        answer.body = body.encode()
    elif answer.status == 204:
        answer.body = b""
    else:
        answer.body = encode(body)
    return answer


async def send_answer(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Write an answer to the client; a client that has gone makes no difference."""
    body = with_bytes(answer).body
    if not isinstance(body, bytes):
        headers = {"cache-control": "no-store", **answer.headers}
        chunks = () if scope["method"] == "HEAD" else body  # one without end would hold the connection for ever
        await StreamingResponse(chunks, answer.status, headers, answer.media_type)(scope, receive, send)
        return
    raw_headers = [(b"content-length", b"%d" % len(body)), *_COMMON_HEADERS]
    if answer.headers:
        raw_headers += ((n.lower().encode("latin-1"), value.encode("latin-1")) for n, value in answer.headers.items())
    if body:
        raw_headers.append((b"content-type", answer.media_type.encode("latin-1")))
    await send({"type": "http.response.start", "status": answer.status, "headers": raw_headers})
    await send({"type": "http.response.body", "body": body})

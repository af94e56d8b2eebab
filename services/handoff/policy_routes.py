"""The endpoints of policies and their versions."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.handoff import forms, policies
from services.handoff.drafts import read_policy
from services.handoff.policies import Version
from services.handoff.rules import Rules
from services.handoff.wording import Change, changes
from shared.clock import Clock
from shared.db import autocommit, in_transaction
from shared.events import PolicyVersion
from shared.periods import business_date
from shared.web import Answer, Call, Endpoint, FieldError, Number, Paging, invalid, not_found, page, read_cursor

T = TypeVar("T")


class Policies(msgspec.Struct):
    """A page of policies or of the versions of one. `in_force`: the version of each policy that is valid today."""

    in_force: dict[str, int]
    items: list[dict[str, Any]]
    next_cursor: str | None


class Changes(msgspec.Struct):
    """What is different in a version of a policy, compared to another one (`since`)."""

    policy: PolicyVersion
    since: int
    changes: list[Change]


class PolicyRoutes:
    """The handlers."""

    def __init__(self, engine: AsyncEngine, rules: Rules, clock: Clock) -> None:
        self._engine = engine
        self._rules = rules
        self._clock = clock

    def table(self) -> list[Endpoint]:
        policy = "/v1/policies/{id}"

        def get(path: str, handler: Any, summary: str, answer: Any, query: Any = None) -> Endpoint:
            return Endpoint(
                method="GET",
                path=path,
                handler=handler,
                scope="leads:read",
                summary=summary,
                query=query,
                answers={200: answer},
            )

        return [
            get("/v1/policies", self.policies, "The policies, each in its newest version", Policies, Paging),
            get(f"{policy}/versions", self.policy_versions, "All versions of a policy", Policies, Paging),
            get(f"{policy}/versions/{{n}}", self.policy_version, "A version of a policy", dict[str, Any]),
            get(
                f"{policy}/versions/{{n}}/changes",
                self.policy_changes,
                "What a version changed, in words",
                Changes,
                forms.ChangesQuery,
            ),
            Endpoint(
                method="PUT",
                path=policy,
                handler=self.put_policy,
                scope="admin",
                summary="Make a new version of a policy; older ones never change",
                body=dict[str, Any],
                example=forms.POLICY,
                answers={200: dict[str, Any]},
            ),
        ]

    async def policies(self, call: Call[None, Paging]) -> Answer:
        after, limit = read_cursor(call.query.cursor, str) or "", call.query.limit
        found = await self._read(lambda conn: policies.page_of(conn, self._today(), after, limit + 1))
        return await self._listed(page([version.document() for version in found], limit, lambda item: item["id"]))

    async def policy_versions(self, call: Call[None, Paging]) -> Answer:
        policy_id, limit = call.path["id"], call.query.limit
        after = read_cursor(call.query.cursor, Number) or 0
        found = await self._read(lambda conn: policies.versions(conn, policy_id, self._today(), after, limit + 1))
        if not found and not after:
            raise not_found(f"There is no policy {policy_id}.")
        return await self._listed(page([version.document() for version in found], limit, lambda item: item["version"]))

    async def _listed(self, listed: dict[str, Any]) -> Answer:
        in_force = await self._read(lambda conn: policies.in_force(conn, self._today()))
        names = {item["id"] for item in listed["items"]}
        return Answer({"in_force": {name: n for name, n in in_force.items() if name in names}} | listed)

    async def policy_version(self, call: Call) -> Answer:
        return Answer((await self._version(call.path["id"], call.path["n"])).document())

    async def policy_changes(self, call: Call[None, forms.ChangesQuery]) -> Answer:
        after = await self._version(call.path["id"], call.path["n"])
        since = after.version - 1 if call.query.since is None else call.query.since
        if since == 0:
            raise not_found(
                f"Version {after.version} of policy {after.policy.id} is the first; nothing came before it."
            )
        before = await self._version(call.path["id"], str(since))
        return Answer(Changes(after.ref, since, changes(before.policy, after.policy, self._rules.registry)))

    async def _version(self, policy_id: str, number: str) -> Version:
        wanted = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0
        found = await self._read(lambda conn: policies.version(conn, policy_id, wanted, self._today()))
        if found is None:
            raise not_found(f"Policy {policy_id} has no version {number}.")
        return found

    async def put_policy(self, call: Call[dict[str, Any]]) -> Answer:
        policy_id = call.path["id"]
        policy = read_policy({"id": policy_id} | call.body, self._rules.registry)
        if policy.id != policy_id:
            raise invalid(
                [FieldError("/id", f"The address names {policy_id}; leave the id out or make the two equal.")]
            )
        now = self._clock.now()
        made = await in_transaction(
            self._engine, lambda conn: policies.put(conn, policy, call.caller.name, now, self._today())
        )
        return Answer(made.document())

    def _today(self) -> date:
        return business_date(self._clock.now(), self._rules.zone)

    async def _read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with autocommit(self._engine) as conn:
            return await work(conn)

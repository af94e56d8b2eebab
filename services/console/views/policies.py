"""`/policies`: by which rules leads are handed over, what changed, and what a draft would have done."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import yaml
from starlette.responses import Response

from services.console.charts import COLUMN, FULL, ROW, TALL, bars, columns
from services.console.site import Visit
from shared.client import handoff
from shared.client.errors import BadRequest, Invalid
from shared.config.errors import ConfigError
from shared.config.yaml import parse

DAYS, VERSIONS = 90, 50
BACK_TEST_WITHIN_S = 120.0
"""It goes through every lead of the time that is asked for."""
_BESIDE = ("version", "origin", "created_by", "created_at")


async def index(visit: Visit) -> Response:
    """All policies, and the versions of the one that decides."""
    return await _show(visit)


async def back_test(visit: Visit) -> Response:
    """A draft on the past."""
    form = await visit.form()
    draft, first, last = form.get("draft", ""), form.get("from", ""), form.get("to", "")
    try:
        result = await visit.send(handoff.backtest(_read(draft), first=first, last=last), BACK_TEST_WITHIN_S)
    except (Invalid, BadRequest, ConfigError) as error:
        return await _show(visit, 422, draft=draft, period=(first, last), error=error)
    return await _show(visit, draft=draft, period=(first, last), result=result)


def _read(draft: str) -> dict[str, Any]:
    """Names and values, whatever they are: whether they make a policy, the service says. Raises ConfigError."""
    policy, _ = parse(draft, "draft.yaml")
    if not isinstance(policy, dict):
        raise ConfigError("draft.yaml", 1, "this is no policy: it needs `id`, `criteria`, `segments` and what follows")
    return policy


async def _show(
    visit: Visit,
    status: int = 200,
    *,
    draft: str | None = None,
    period: tuple[str, str] | None = None,
    result: dict[str, Any] | None = None,
    error: Exception | None = None,
) -> Response:
    found = await visit.send(handoff.policies())
    chosen = visit.request.query_params.get("id") or _deciding(found)
    newest_first = await _newest(visit, chosen) if chosen else []
    changes = await asyncio.gather(
        *(visit.send(handoff.policy_changes(chosen, v["version"])) for v in newest_first if v["version"] > 1)
    )
    today = visit.site.today()
    return visit.show(
        "policies.html",
        status,
        found=found,
        chosen=chosen,
        versions=newest_first,
        changes={said["policy"]["version"]: said["changes"] for said in changes},
        draft=draft if draft is not None else _as_yaml(newest_first[0]) if newest_first else "",
        period=period or ((today - timedelta(days=DAYS)).isoformat(), today.isoformat()),
        result=result,
        load=bars(_load_of(result)) if result else [],
        weeks=columns(_weeks_of(result)) if result else None,
        tall=TALL,
        column=COLUMN,
        full=FULL,
        row=ROW,
        error=error,
    )


def _deciding(found: dict[str, Any]) -> str:
    """The policy that decides: `default` while a version of it is in force, else the first that has one."""
    names = [policy["id"] for policy in found["items"]]
    return min(names, key=lambda name: (name not in found["in_force"], name != "default", name), default="")


async def _newest(visit: Visit, policy_id: str) -> list[dict[str, Any]]:
    """The last versions of a policy, the newest first; the service lists them from the first one on."""
    versions: list[dict[str, Any]] = []
    operation = handoff.policy_versions(policy_id, 200)
    while True:
        page = await visit.send(operation)
        versions = [*versions, *page["items"]][-VERSIONS:]
        if page["next_cursor"] is None:
            return versions[::-1]
        operation = operation.at(page["next_cursor"])


def _as_yaml(version: dict[str, Any]) -> str:
    policy = {name: said for name, said in version.items() if name not in _BESIDE and said is not None}
    return yaml.safe_dump(policy, allow_unicode=True, sort_keys=False, width=100)


def _load_of(result: dict[str, Any]) -> list[tuple[str, float]]:
    """How many leads each member of sales would get."""
    leads: Counter[str] = Counter()
    for one in result.get("load", ()):
        leads[one["member"]] += one["would_get"]
    return [(member, float(n)) for member, n in leads.most_common()]


def _weeks_of(result: dict[str, Any]) -> list[tuple[str, float, float]]:
    """How many leads sales would have got in each week, and how many it got."""
    would, did = Counter[str](), Counter[str]()
    for one in result.get("load", ()):
        would[one["week"]] += one["would_get"]
        did[one["week"]] += one["got"]
    return [(week, float(would[week]), float(did[week])) for week in sorted(would.keys() | did.keys())]

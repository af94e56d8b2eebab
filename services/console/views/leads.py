"""`/leads` and `/leads/{id}`: who they are, what is known of them and by whom, what to ask and to offer next."""

import asyncio
from collections import defaultdict
from datetime import datetime
from typing import Any, NamedTuple

from starlette.responses import Response

from services.console.site import Visit, moment_of
from shared.client import ProblemError, handoff, ingest, outreach
from shared.client.errors import Conflict, Invalid
from shared.client.types import FieldValue, Lead, Observed, Readiness, StageEntry

BANT = ("needs", "budget", "authority", "timeframe")
STATUSES = ("confirmed", "denied", "assumed", "unknown")
PAGE = 50
OBSERVATIONS, TIMELINE = 200, 100
_FOLLOWS_WITHIN_S = 4.0
"""Until what was heard shows in the readiness: handoff learns of it by the log."""


class Known(NamedTuple):
    """A field of a lead: what is believed, and what others said otherwise."""

    field: str
    value: FieldValue
    otherwise: list[Observed]


class Happening(NamedTuple):
    """A line of the timeline. `kind`: a type of activity, `stage`, or `hearing`."""

    at: datetime
    kind: str
    about: dict[str, Any]


async def index(visit: Visit) -> Response:
    """The search."""
    asked = visit.request.query_params
    said = {name: asked[name].strip() for name in ("q", "stage", "rep") if asked.get(name, "").strip()}
    operation = ingest.search(limit=PAGE, **said)
    if cursor := asked.get("cursor"):
        operation = operation.at(cursor)
    found = await visit.send(operation)
    stages, members = visit.site.config.stages, visit.site.config.team.member_ids
    return visit.show("leads.html", found=found, asked=said, stages=stages, members=members)


async def show(visit: Visit) -> Response:
    """One lead."""
    return await _show(visit, visit.request.path_params["id"])


async def hear(visit: Visit) -> Response:
    """What a rep has heard; the answer is the lead as it is known now."""
    lead_id, form = visit.request.path_params["id"], await visit.form()
    before = await visit.ask(handoff.readiness(lead_id))
    answers, said_at = _answers(form), form.get("heard_at")
    heard_at = moment_of(said_at, visit.site.zone) if said_at else visit.site.clock.now()
    if not answers or heard_at is None:
        return await _refused(visit, lead_id, form, wrong="no_moment" if answers else "nothing_heard")
    rep, channel = form.get("rep") or visit.session.rep, form.get("channel", "call")
    try:
        await visit.send(ingest.hearing(lead_id, rep=rep, heard_at=heard_at, channel=channel, answers=answers))
    except Invalid as error:
        return await _refused(visit, lead_id, form, error=error)
    await _follow(visit, lead_id, before)
    return await _show(visit, lead_id)


async def hand_over(visit: Visit) -> Response:
    """To sales."""
    lead_id, form = visit.request.path_params["id"], await visit.form()
    rep = form.get("rep") or visit.session.rep
    try:
        made = await visit.send(handoff.hand_over(lead_id, rep=rep, reason=form.get("reason", "")))
    except (Conflict, Invalid) as error:
        return await _refused(visit, lead_id, form, error=error)
    if visit.is_partial:
        return Response(status_code=204, headers={"HX-Redirect": f"/handoffs/{made.handoff_id}"})
    return visit.go(f"/handoffs/{made.handoff_id}")


async def render(visit: Visit) -> Response:
    """A template with what is known of the lead, to be copied or opened in a mail program."""
    lead_id, form = visit.request.path_params["id"], await visit.form()
    values = {name.removeprefix("value."): said for name, said in form.items() if name.startswith("value.") and said}
    template = await visit.send(outreach.template(form.get("template", "")))
    rep = form.get("rep") or visit.session.rep
    language = form.get("language") if form.get("language") in ("ja", "en") else None
    text, error = None, None
    try:
        text = await visit.send(outreach.render(template.id, lead_id, rep=rep, values=values, language=language))
    except (Conflict, Invalid) as refused:
        error = refused
    status = 200 if error is None else error.status
    shown = {"text": text, "chosen": template, "lead_id": lead_id, "rep": rep, "values": values, "written_in": language}
    if visit.is_partial:
        return visit.show("rendered.html", status, error=error, **shown)
    return await _show(visit, lead_id, status, written=shown | {"error": error})


def _answers(form: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What was filled in, by field; what was left as it is stays unsaid."""
    answers: dict[str, dict[str, Any]] = {}
    for field in BANT:
        if (status := form.get(f"status.{field}")) in STATUSES:
            answers[field] = {"status": status}
            if quote := form.get(f"quote.{field}"):
                answers[field]["quote"] = quote
    if employees := form.get("employees"):
        answers["employees"] = {"value": employees}  # ingest reads it as it is written, or says what is wrong with it
    return answers


async def _follow(visit: Visit, lead_id: str, before: Readiness | None) -> None:
    """Wait until handoff knows of more than before; a page is shown all the same when that takes long."""
    deadline = asyncio.get_running_loop().time() + _FOLLOWS_WITHIN_S
    while asyncio.get_running_loop().time() < deadline:
        now = await visit.ask(handoff.readiness(lead_id))
        if now is not None and (before is None or now.as_of.get("events") != before.as_of.get("events")):
            return
        await asyncio.sleep(0.1)


async def _refused(
    visit: Visit, lead_id: str, typed: dict[str, str], *, error: ProblemError | None = None, wrong: str | None = None
) -> Response:
    """Why not, and how the lead stands: alone where a part of the page is asked for, else within it. typed: what stays
    in the form."""
    status = error.status if error else 422
    said = {"error": error, "wrong": wrong, "typed": typed}
    if not visit.is_partial:
        return await _show(visit, lead_id, status, **said)
    lead, readiness, questions = await asyncio.gather(
        visit.send(ingest.lead(lead_id)),
        visit.ask(handoff.readiness(lead_id)),
        visit.ask(handoff.questions(lead_id)),
    )
    return visit.show("decision.html", status, **_decided(visit, lead, readiness, questions, **said))


def _decided(visit: Visit, lead: Lead, readiness: Any, questions: Any, **said: Any) -> dict[str, Any]:
    error: ProblemError | None = said.get("error")
    return {
        "lead": lead,
        "readiness": readiness,
        "questions": questions,
        "bant": BANT,
        "statuses": STATUSES,
        "members": visit.site.config.team.member_ids,
        "error": error,
        "wrong": said.get("wrong"),
        "typed": said.get("typed", {}),
    }


async def _show(visit: Visit, lead_id: str, status: int = 200, **said: Any) -> Response:
    lead = await visit.send(ingest.lead(lead_id))
    observations, readiness, questions = await asyncio.gather(
        visit.send(ingest.observations(lead.lead_id, OBSERVATIONS)),
        visit.ask(handoff.readiness(lead.lead_id)),
        visit.ask(handoff.questions(lead.lead_id)),
    )
    history, stages, cases, templates = await asyncio.gather(
        visit.ask(handoff.history(lead.lead_id, TIMELINE)),
        visit.ask(handoff.stages(lead.lead_id, 100)),
        visit.ask(outreach.case_studies(lead_id=lead.lead_id, limit=3)),
        visit.ask(outreach.templates(limit=100)),
    )
    happened = _hearings(observations.items)
    happened += [_activity(said) for said in (history.items if history else ())]
    happened += [_entered(entry) for entry in reversed(stages.items if stages else ())]  # as all else the newest first
    return visit.show(
        "lead.html",
        status,
        known=_known(lead, observations.items),
        timeline=sorted(happened, key=lambda one: one.at, reverse=True)[:TIMELINE],
        is_longer=len(happened) > TIMELINE or observations.next_cursor is not None,
        is_cut=history is None or stages is None,
        written=said.get("written"),
        cases=cases,
        templates=templates,
        **_decided(visit, lead, readiness, questions, **said),
    )


def _known(lead: Lead, observations: list[Observed]) -> list[Known]:
    otherwise: dict[str, list[Observed]] = defaultdict(list)
    for said in observations:
        believed = lead.fields.get(said.field)
        if believed is not None and (said.value, said.status) != (believed.value, believed.status):
            otherwise[said.field].append(said)
    return [Known(field, value, otherwise[field]) for field, value in lead.fields.items()]


def _activity(said: dict[str, Any]) -> Happening:
    return Happening(datetime.fromisoformat(said["occurred_at"]), said["type"], said)


def _entered(entry: StageEntry) -> Happening:
    return Happening(entry.entered_at, "stage", {"from": entry.from_, "to": entry.stage, "by": entry.by})


def _hearings(observations: list[Observed]) -> list[Happening]:
    """One line for all that was heard at the same moment."""
    heard: dict[tuple[datetime, str | None], list[str]] = defaultdict(list)
    for said in observations:
        if said.method == "hearing":
            heard[said.observed_at, said.by].append(said.field)
    return [Happening(at, "hearing", {"rep": by, "fields": fields}) for (at, by), fields in heard.items()]

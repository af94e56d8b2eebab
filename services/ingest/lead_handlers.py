"""Leads: typed forms, hearings, tool results; reading and searching."""

import unicodedata
from collections.abc import Callable

import msgspec
from uuid_utils.compat import uuid7

from services.ingest import companies, store, submissions
from services.ingest.activities import Refused
from services.ingest.answers import (
    CompanyPage,
    FieldPage,
    LeadAnswer,
    ObservationPage,
    observation_answers,
    unmapped_answers,
)
from services.ingest.context import Context, address_of, erased_lead, identity_conflict, unknown_lead
from services.ingest.forms import HearingForm, LeadForm, ToolResultForm
from services.ingest.items import Outcome, Submission
from services.ingest.submissions import Arrival
from shared import company_names
from shared.domains import registrable_domain
from shared.events import Text, Timestamp
from shared.normalise import corporate_number
from shared.normalise import email as normalise_email
from shared.normalise import phone as normalise_phone
from shared.web import Answer, Call, FieldError, Number, Paging, invalid, page, read_cursor

Reader = Callable[[Arrival], Submission]

_WORDS_MAX = 4
"""Words of a search that are looked for one by one: each costs a look at the index. What follows is one with its
spaces."""


class LeadSearch(Paging, kw_only=True):
    """The query of the search; what is given must all hold.

    `q`: words, each of which stands in some text of the lead; or a telephone number, a company's name or an id of it.
    """

    email: Text | None = None
    domain: Text | None = None
    stage: Text | None = None
    rep: Text | None = None
    q: Text | None = None


class CompanySearch(msgspec.Struct, kw_only=True):
    """The query of the companies: at least one of these."""

    domain: Text | None = None
    corporate_number: Text | None = None
    name: Text | None = None


class LeadHandlers:
    """The handlers of `/v1/leads` and `/v1/fields`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._registry = context.config.fields

    async def post(self, call: Call[LeadForm]) -> Answer:
        """A typed form; without an Idempotency-Key each request is a submission of its own."""
        request = str(uuid7())
        outcome = await self._record(
            lambda arrival: submissions.read_lead(call.body, self._registry, arrival, request), call
        )
        return await self._lead_of(outcome, status=201 if outcome.created else 200)

    async def post_hearing(self, call: Call[HearingForm]) -> Answer:
        """What a rep heard from the lead."""
        lead_id = call.path["id"]
        outcome = await self._record(
            lambda arrival: submissions.read_hearing(lead_id, call.body, self._registry, arrival), call
        )
        return await self._lead_of(outcome, status=201)

    async def post_tool_result(self, call: Call[ToolResultForm]) -> Answer:
        """What a tool found out about the lead."""
        lead_id = call.path["id"]
        outcome = await self._record(
            lambda arrival: submissions.read_tool_result(lead_id, call.body, self._registry, arrival), call
        )
        return await self._lead_of(outcome, status=201)

    async def get(self, call: Call) -> Answer:
        """One lead."""
        return Answer(self._context.answer(await self._context.lead(call.path["id"])))

    async def get_observations(self, call: "Call[None, Paging]") -> Answer:
        """Every value ever given, the latest first, winners marked."""
        after = read_cursor(call.query.cursor, tuple[Timestamp, str])
        row = await self._context.lead(call.path["id"])
        async with self._context.database() as db:
            kept = await store.read_unmapped(db, [row.lead_id, *row.merged_ids])
        rows = [
            o
            for o in observation_answers(row, self._registry)
            if after is None or (o.observed_at, o.observation_id) < after
        ]
        paged = page(rows[: call.query.limit + 1], call.query.limit, lambda o: (o.observed_at, o.observation_id))
        return Answer(ObservationPage(paged["items"], paged["next_cursor"], unmapped_answers(kept)))

    async def search(self, call: "Call[None, LeadSearch]") -> Answer:
        """Leads that have all that is asked for, the latest known first."""
        wanted = _wanted(call.query)
        before = read_cursor(call.query.cursor, Number)
        async with self._context.moment() as db:
            ids = await store.search(db, wanted, before, call.query.limit + 1)
            rows = await store.read_leads(db, ids)
        paged = page(rows, call.query.limit, lambda row: row.seq)
        return Answer(paged | {"items": [self._context.answer(row) for row in paged["items"]]})

    async def search_companies(self, call: "Call[None, CompanySearch]") -> Answer:
        """Companies that have all that is asked for, with their leads."""
        wanted = _wanted_company(call.query)
        async with self._context.database() as db:
            return Answer(CompanyPage(await companies.find(db, wanted), None))

    async def get_fields(self, _call: Call) -> Answer:
        """The field registry."""
        return Answer(FieldPage(list(self._registry)))

    async def _record(self, read: Reader, call: Call) -> Outcome:
        try:
            submission = read(self._context.arrival(call))
        except Refused as refused:
            raise invalid(refused.errors) from refused
        (outcome,) = await self._context.submit(self._context.recorder.submissions, [submission])
        return outcome

    async def _lead_of(self, outcome: Outcome, status: int) -> Answer:
        if outcome.status == "unknown_lead":
            raise unknown_lead("with this id")
        if outcome.status == "erased_lead":
            raise erased_lead()
        if outcome.status == "conflict" or outcome.lead_id is None:
            raise identity_conflict()
        document: LeadAnswer = self._context.answer(await self._context.lead(outcome.lead_id))
        return Answer(document, status, {"Location": address_of(document.lead_id)} if status == 201 else {})


def _wanted_company(query: CompanySearch) -> companies.Wanted:
    """Raises Problem 422 for what can be no domain or corporate number, and when nothing is asked for."""
    domain = None if query.domain is None else registrable_domain(query.domain)
    if query.domain is not None and domain is None:
        raise invalid([FieldError("/domain", "holds no registrable domain")])
    try:
        number = None if query.corporate_number is None else corporate_number(query.corporate_number)
    except ValueError as error:
        raise invalid([FieldError("/corporate_number", str(error))]) from error
    if domain is None and number is None and not (query.name or "").strip():
        raise invalid([FieldError("", "give domain, corporate_number or name")])
    return companies.Wanted(domain, number, query.name)


def _wanted(query: LeadSearch) -> store.Search:
    """Raises Problem 422 for what can be no e-mail or domain."""
    domain = None if query.domain is None else registrable_domain(query.domain)
    if query.domain is not None and domain is None:
        raise invalid([FieldError("/domain", "holds no registrable domain")])
    try:
        email = None if query.email is None else normalise_email(query.email)
    except ValueError as error:
        raise invalid([FieldError("/email", str(error))]) from error
    return store.Search(email=email, domain=domain, stage=query.stage, rep=query.rep, sought=_sought(query.q or ""))


def _sought(typed: str) -> store.Sought | None:
    """What a blank search box asks for is no condition."""
    written = unicodedata.normalize("NFKC", typed).strip()
    if not written:
        return None
    try:
        phone = normalise_phone(written)
    except ValueError:
        phone = None
    words = written.casefold().split(maxsplit=_WORDS_MAX - 1)
    return store.Sought(words, company_names.read(written).key, phone, typed.strip())

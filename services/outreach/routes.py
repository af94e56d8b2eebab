"""The endpoints of outreach."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from services.outreach import answers, forms, listing, mails
from services.outreach.content import MAILS, Piece, TemplateHead
from services.outreach.fit import LeadWords
from services.outreach.folder import ContentFolder
from services.outreach.languages import wanted
from services.outreach.leads import Lead, known_lead
from services.outreach.library import Library
from services.outreach.listing import Ranked
from services.outreach.permission import refusal
from services.outreach.problems import (
    mail_uncertain,
    no_mail,
    no_mail_server,
    not_allowed,
    too_long,
    unknown_content,
    unknown_values,
    values_missing,
)
from services.outreach.render import Fill, Given, Recipient, Rendered, Writer, label_of, missing_of, render
from services.outreach.smtp import Post, message_of
from services.outreach.templating import TextTooLong
from services.outreach.uses import Use, record, told
from shared.clock import Clock
from shared.config.team import Team
from shared.db import retried, transaction
from shared.events import Channel, ContentKind, Language
from shared.fields import FieldRegistry
from shared.web import Answer, Call, Endpoint, Paging, page, read_cursor

T = TypeVar("T")
_NAMES = uuid5(NAMESPACE_URL, "urn:tasuki:outreach")
_SCOPE = "outreach:read"


@dataclass(frozen=True)
class Routes:
    """The handlers; what changes something does so in one transaction that is committed before the answer."""

    engine: AsyncEngine
    folder: ContentFolder
    registry: FieldRegistry
    team: Team
    clock: Clock
    post: Post | None = None
    _under_way: set["asyncio.Task[Any]"] = field(default_factory=set)

    def table(self) -> list[Endpoint]:
        def get(path: str, handler: Any, summary: str, answer: Any, query: Any, **more: Any) -> Endpoint:
            return Endpoint(
                method="GET",
                path=path,
                handler=handler,
                scope=_SCOPE,
                summary=summary,
                query=query,
                answers={200: answer, **more.get("answers", {})},
            )

        def post(path: str, handler: Any, summary: str, body: Any, answers: dict[int, Any]) -> Endpoint:
            return Endpoint(
                method="POST", path=path, handler=handler, scope=_SCOPE, summary=summary, body=body, answers=answers
            )

        one = forms.OneQuery
        sent = {200: answers.SentMail, 404: None, 409: Any, 410: None}
        rendered = {200: answers.RenderedText, 404: None, 409: Any, 410: None}
        return [
            get(
                "/v1/templates",
                self.templates,
                "Templates, by occasion and channel",
                answers.Templates,
                forms.TemplatesQuery,
            ),
            get("/v1/templates/{id}", self.template, "A template as it is written", answers.Template, one),
            post(
                "/v1/templates/{id}/render", self.render_template, "A template for a lead", forms.RenderForm, rendered
            ),
            replace(
                post("/v1/templates/{id}/send", self.send_template, "Mail a template to a lead", forms.SendForm, sent),
                scope="activities:write",  # it tells of a touch
            ),
            get("/v1/snippets", self.snippets, "Snippets", answers.Snippets, forms.SnippetsQuery),
            get("/v1/snippets/{id}", self.snippet, "A snippet", answers.Snippet, one),
            post("/v1/snippets/{id}/render", self.render_snippet, "A snippet for a lead", forms.SnippetForm, rendered),
            get("/v1/talks", self.talks, "Chalk talks, by product", answers.Talks, forms.TalksQuery),
            get("/v1/talks/{id}", self.talk, "A chalk talk", answers.Talk, one),
            get(
                "/v1/case-studies",
                self.case_studies,
                "Case studies; for a lead the best fit first, and why",
                answers.CaseStudies,
                forms.CaseStudiesQuery,
                answers={410: None},
            ),
            get("/v1/case-studies/{id}", self.case_study, "A case study", answers.CaseStudy, one),
            post(
                "/v1/uses",
                self.use,
                "Tell that content was used for a lead",
                forms.UseForm,
                {201: Use, 404: None, 410: None},
            ),
        ]

    async def templates(self, call: Call[None, forms.TemplatesQuery]) -> Answer:
        query, library = call.query, self.folder.library
        found = listing.templates(library, query.occasion, query.channel, query.q)
        return _page(library, query, found, lambda one: answers.template_item(one.piece))

    async def template(self, call: Call[None, forms.OneQuery]) -> Answer:
        return Answer(answers.template(self._piece("template", call.path["id"]), _language(call, call.query.language)))

    async def snippets(self, call: Call[None, forms.SnippetsQuery]) -> Answer:
        library, language = self.folder.library, _language(call, call.query.language)
        found = listing.snippets(library, call.query.q)
        return _page(library, call.query, found, lambda one: answers.snippet(one.piece, language))

    async def snippet(self, call: Call[None, forms.OneQuery]) -> Answer:
        return Answer(answers.snippet(self._piece("snippet", call.path["id"]), _language(call, call.query.language)))

    async def talks(self, call: Call[None, forms.TalksQuery]) -> Answer:
        library = self.folder.library
        found = listing.talks(library, call.query.product, call.query.q)
        return _page(library, call.query, found, lambda one: answers.talk_item(one.piece))

    async def talk(self, call: Call[None, forms.OneQuery]) -> Answer:
        return Answer(answers.talk(self._piece("talk", call.path["id"]), _language(call, call.query.language)))

    async def case_studies(self, call: Call[None, forms.CaseStudiesQuery]) -> Answer:
        query, library = call.query, self.folder.library
        asked = query.lead_id
        lead = None if asked is None else await self._do(lambda conn: known_lead(conn, self.registry, asked))
        words = None if lead is None else _words_of(lead)
        found = listing.case_studies(library, query.industry, query.usage, query.q, words)
        answer = _page(library, query, found, lambda one: answers.case_study_item(one.piece, one.why))
        if lead is not None:
            answer.body["lead_id"] = lead.lead_id
        return answer

    async def case_study(self, call: Call[None, forms.OneQuery]) -> Answer:
        language = _language(call, call.query.language)
        return Answer(answers.case_study(self._piece("case_study", call.path["id"]), language))

    async def render_template(self, call: Call[forms.RenderForm]) -> Answer:
        form = call.body
        piece = self._piece("template", call.path["id"])
        head = piece.head_as(TemplateHead)
        wish = _Wish(form.lead_id, form.rep, form.values, _language(call, form.language), head.channel, form.record)
        return Answer(await self._render(call, piece, wish))

    async def render_snippet(self, call: Call[forms.SnippetForm]) -> Answer:
        form = call.body
        piece = self._piece("snippet", call.path["id"])
        wish = _Wish(form.lead_id, form.rep, {}, _language(call, form.language), form.channel, form.record)
        return Answer(await self._render(call, piece, wish))

    async def send_template(self, call: Call[forms.SendForm]) -> Answer:
        """Mail it by the server that is set; see mails.py for what is promised."""
        form = call.body
        piece = self._piece("template", call.path["id"])
        head = piece.head_as(TemplateHead)
        if self.post is None:
            raise no_mail_server()
        wish = _Wish(form.lead_id, form.rep, form.values, _language(call, form.language), head.channel, record=True)
        if head.channel not in MAILS or piece.texts[wish.language].subject is None:
            raise no_mail(piece.id)
        use_id = _use_id(call)

        async def begin(conn: AsyncConnection) -> tuple[str, EmailMessage, Use | None]:
            lead = await known_lead(conn, self.registry, form.lead_id)
            message = self._message(piece, wish, lead, use_id)
            state = await mails.begin(conn, use_id, lead.lead_id, piece.id, self.clock.now())
            if state == "handing_over":
                raise mail_uncertain()
            return lead.lead_id, message, await told(conn, use_id) if state else None

        lead_id, message, done = await self._do(begin)
        if done is None:
            use = self._use(use_id, piece, wish, lead_id)
            # A client that goes away does not end it: what is on its way can only be seen through.
            task = asyncio.create_task(mails.hand_over(self.engine, self.post, message, use))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            done = await asyncio.shield(task)
        return Answer(
            answers.SentMail(mail_id=use_id, lead_id=lead_id, message_id=str(message["Message-ID"]), use=done)
        )

    def _message(self, piece: Piece, wish: "_Wish", lead: Lead, mail_id: str) -> EmailMessage:
        """The mail to a lead. Raises Problem 422 where its address, or anything that the text shows, is not known."""
        text = self._text(piece, wish, lead)
        email = lead.values.get("email")
        lacking = [*([] if email else ["email"]), *text.missing]
        if email is None or lacking:
            raise values_missing((name, label_of(piece, self.registry, name)) for name in lacking)
        return message_of(text, self.folder.library.sender, str(email.value), wish.language, mail_id, self.clock.now())

    async def use(self, call: Call[forms.UseForm]) -> Answer:
        form = call.body
        piece = self._piece(form.kind, form.content)
        channel = form.channel or (piece.head.channel if isinstance(piece.head, TemplateHead) else None)
        wish = _Wish(form.lead_id, form.rep, {}, _language(call, form.language), channel, record=True)

        async def work(conn: AsyncConnection) -> Use:
            lead = await known_lead(conn, self.registry, form.lead_id)
            return await self._record(conn, call, piece, wish, lead)

        return Answer(await self._do(work), 201)

    async def _render(self, call: Call, piece: Piece, wish: "_Wish") -> answers.RenderedText:
        async def work(conn: AsyncConnection) -> answers.RenderedText:
            lead = await known_lead(conn, self.registry, wish.lead_id)
            text = self._text(piece, wish, lead)
            return answers.RenderedText(
                lead_id=lead.lead_id,
                language=wish.language,
                channel=wish.channel,
                subject=text.subject,
                body=text.body,
                missing=text.missing,
                headers=text.headers,
                mailto=text.mailto,
                use=await self._record(conn, call, piece, wish, lead) if wish.record else None,
            )

        return await self._do(work)

    def _text(self, piece: Piece, wish: "_Wish", lead: Lead) -> Rendered:
        """What the piece says to a lead. Raises Problem 409 before it looks at any value, then 422."""
        if why := refusal(lead.standing, wish.channel):
            raise not_allowed(why)
        fill = Fill(
            self.registry,
            self.folder.library.sender,
            Recipient(lead.lead_id, lead.values),
            Writer(wish.rep, self.team.name_of(wish.rep)),
            wish.values,
            wish.language,
        )
        if isinstance(piece.head, TemplateHead):
            declared = piece.head.values
            if unknown := [name for name in wish.values if name not in declared]:
                raise unknown_values(unknown, declared)
            if missing := missing_of(piece.head, fill):
                raise values_missing(missing)
        try:
            return render(piece, fill)
        except TextTooLong as error:
            raise too_long() from error

    async def _record(self, conn: AsyncConnection, call: Call, piece: Piece, wish: "_Wish", lead: Lead) -> Use:
        return await record(conn, self._use(_use_id(call), piece, wish, lead.lead_id))

    def _use(self, use_id: str, piece: Piece, wish: "_Wish", lead_id: str) -> Use:
        return Use(
            use_id=use_id,
            lead_id=lead_id,
            rep=wish.rep,
            kind=piece.kind,
            content=piece.id,
            language=wish.language,
            used_at=self.clock.now(),
            channel=wish.channel,
            occasion=piece.head.occasion if isinstance(piece.head, TemplateHead) else None,
        )

    def _piece(self, kind: ContentKind, piece_id: str) -> Piece:
        piece = self.folder.library.get(kind, piece_id)
        if piece is None:
            raise unknown_content(kind, piece_id)
        return piece

    async def _do(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async def whole() -> T:
            async with transaction(self.engine) as conn:
                return await work(conn)

        return await retried(whole)


@dataclass(frozen=True)
class _Wish:
    """What is asked of a piece: for whom, by whom, how."""

    lead_id: str
    rep: str
    values: Given
    language: Language
    channel: Channel | None
    record: bool


def _language(call: Call, asked: Language | None) -> Language:
    return wanted(asked, call.request.headers.get("accept-language"))


def _use_id(call: Call) -> str:
    """The identity of a request with an Idempotency-Key, so that its repetition tells no second use."""
    key = call.idempotency_key
    return str(uuid7()) if key is None else str(uuid5(_NAMES, f"{call.operation}:{call.caller.name}:{key}"))


def _page(library: Library, paging: Paging, found: Sequence[Ranked], item: Callable[[Ranked], Any]) -> Answer:
    after = read_cursor(paging.cursor, forms.Place)
    left = found if after is None else [one for one in found if (one.rank, one.piece.id) > (after.rank, after.id)]
    shown = page(left, paging.limit, lambda one: forms.Place(one.rank, one.piece.id))
    return Answer(
        {
            "items": [item(one) for one in shown["items"]],
            "next_cursor": shown["next_cursor"],
            "problems": list(library.problems),
        }
    )


def _words_of(lead: Lead) -> LeadWords:
    """What is known of a lead that says which cases are like it."""

    def said(field: str) -> str:
        observation = lead.values.get(field)
        parts = (observation.value, observation.quote) if observation else ()
        return " ".join(part for part in parts if isinstance(part, str))

    employees = lead.values.get("employees")
    count = employees.value if employees else None
    return LeadWords(said("industry"), said("usage"), said("needs"), count if isinstance(count, int) else None)

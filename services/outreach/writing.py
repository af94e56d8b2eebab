"""What reps do with content: have it filled in for a lead, mailed, and told that it was used."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from services.outreach import answers, forms, mails
from services.outreach.content import MAILS, Piece, TemplateHead
from services.outreach.folder import ContentFolder
from services.outreach.leads import Lead, known_lead
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
from services.outreach.smtp import Post, message_id_of, message_of
from services.outreach.templating import TextTooLong
from services.outreach.uses import Use, record, told
from shared.clock import Clock
from shared.config.team import Team
from shared.db import in_transaction
from shared.events import Channel, ContentKind, Language
from shared.fields import FieldRegistry
from shared.languages import wanted
from shared.web import Answer, Call

T = TypeVar("T")
_NAMES = uuid5(NAMESPACE_URL, "urn:tasuki:outreach")


@dataclass(frozen=True)
class _Wish:
    """What is asked of a piece: for whom, by whom, how."""

    lead_id: str
    rep: str
    values: Given
    language: Language
    channel: Channel | None
    record: bool


@dataclass(frozen=True)
class Desk:
    """What the handlers work with. `post`: takes mails; None where no server is set."""

    engine: AsyncEngine
    folder: ContentFolder
    registry: FieldRegistry
    team: Team
    clock: Clock
    post: Post | None = None
    under_way: set["asyncio.Task[Any]"] = field(default_factory=set)

    def piece(self, kind: ContentKind, piece_id: str) -> Piece:
        """Raises Problem 404."""
        piece = self.folder.library.get(kind, piece_id)
        if piece is None:
            raise unknown_content(kind, piece_id)
        return piece

    async def lead(self, lead_id: str) -> Lead:
        """Raises Problem 404, 410."""
        return await self.do(lambda conn: known_lead(conn, self.registry, lead_id))

    def see_through(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """A task that is not lost when nobody waits for it any longer."""
        task = asyncio.create_task(work)
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        return task

    async def do(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do all of it in one transaction."""
        return await in_transaction(self.engine, work)


class Writing:
    """The handlers; each works in one transaction that is committed before the answer, sending a mail in two."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def render_template(self, call: Call[forms.RenderForm]) -> Answer:
        form = call.body
        piece = self._desk.piece("template", call.path["id"])
        head = piece.head_as(TemplateHead)
        wish = _Wish(form.lead_id, form.rep, form.values, language_of(call, form.language), head.channel, form.record)
        return Answer(await self._render(call, piece, wish))

    async def render_snippet(self, call: Call[forms.SnippetForm]) -> Answer:
        form = call.body
        piece = self._desk.piece("snippet", call.path["id"])
        wish = _Wish(form.lead_id, form.rep, {}, language_of(call, form.language), form.channel, form.record)
        return Answer(await self._render(call, piece, wish))

    async def send_template(self, call: Call[forms.SendForm]) -> Answer:
        """Mail it by the server that is set; see mails.py for what is promised."""
        form, desk = call.body, self._desk
        piece = desk.piece("template", call.path["id"])
        head = piece.head_as(TemplateHead)
        if desk.post is None:
            raise no_mail_server()
        wish = _Wish(form.lead_id, form.rep, form.values, language_of(call, form.language), head.channel, record=True)
        if head.channel not in MAILS or piece.texts[wish.language].subject is None:
            raise no_mail(piece.id)
        use_id = _use_id(call, piece, wish)

        async def begin(conn: AsyncConnection) -> tuple[str, EmailMessage | None]:
            lead = await known_lead(conn, desk.registry, form.lead_id)
            if await mails.is_sent(conn, use_id):  # the answer to the first request got lost with its process
                return lead.lead_id, None
            message = self._message(piece, wish, lead, use_id)
            if not await mails.begin(conn, use_id, lead.lead_id, piece.id, desk.clock.now()):
                raise mail_uncertain()
            return lead.lead_id, message

        lead_id, message = await desk.do(begin)
        if message is None:
            use = await desk.do(lambda conn: told(conn, use_id))
        else:
            # A client that goes away does not end it: what is on its way can only be seen through.
            sending = mails.hand_over(desk.engine, desk.post, message, self._use(use_id, piece, wish, lead_id))
            use = await asyncio.shield(desk.see_through(sending))
        message_id = message_id_of(desk.folder.library.sender, use_id)
        return Answer(answers.SentMail(mail_id=use_id, lead_id=lead_id, message_id=message_id, use=use))

    def _message(self, piece: Piece, wish: _Wish, lead: Lead, mail_id: str) -> EmailMessage:
        """The mail to a lead. Raises Problem 422 where its address, or anything that the text shows, is not known."""
        text = self._text(piece, wish, lead)
        email = lead.values.get("email")
        lacking = [*([] if email else ["email"]), *text.missing]
        if email is None or lacking:
            raise values_missing((name, label_of(piece, self._desk.registry, name)) for name in lacking)
        return message_of(
            text, self._desk.folder.library.sender, str(email.value), wish.language, mail_id, self._desk.clock.now()
        )

    async def use(self, call: Call[forms.UseForm]) -> Answer:
        form = call.body
        piece = self._desk.piece(form.kind, form.content)
        channel = form.channel or (piece.head.channel if isinstance(piece.head, TemplateHead) else None)
        wish = _Wish(form.lead_id, form.rep, {}, language_of(call, form.language), channel, record=True)

        async def work(conn: AsyncConnection) -> Use:
            lead = await known_lead(conn, self._desk.registry, form.lead_id)
            return await self._record(conn, call, piece, wish, lead)

        return Answer(await self._desk.do(work), 201)

    async def _render(self, call: Call, piece: Piece, wish: _Wish) -> answers.RenderedText:
        async def work(conn: AsyncConnection) -> answers.RenderedText:
            lead = await known_lead(conn, self._desk.registry, wish.lead_id)
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

        return await self._desk.do(work)

    def _text(self, piece: Piece, wish: _Wish, lead: Lead) -> Rendered:
        """What the piece says to a lead. Raises Problem 409 before it looks at any value, then 422."""
        if why := refusal(lead.standing, wish.channel):
            raise not_allowed(why)
        fill = Fill(
            self._desk.registry,
            self._desk.folder.library.sender,
            Recipient(lead.lead_id, lead.values),
            Writer(wish.rep, self._desk.team.name_of(wish.rep)),
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

    async def _record(self, conn: AsyncConnection, call: Call, piece: Piece, wish: _Wish, lead: Lead) -> Use:
        return await record(conn, self._use(_use_id(call, piece, wish), piece, wish, lead.lead_id))

    def _use(self, use_id: str, piece: Piece, wish: _Wish, lead_id: str) -> Use:
        return Use(
            use_id=use_id,
            lead_id=lead_id,
            rep=wish.rep,
            kind=piece.kind,
            content=piece.id,
            language=wish.language,
            used_at=self._desk.clock.now(),
            channel=wish.channel,
            occasion=piece.head.occasion if isinstance(piece.head, TemplateHead) else None,
        )


def language_of(call: Call, asked: Language | None) -> Language:
    """The language of the answer to a call that asks for one, or for none."""
    return wanted(asked, call.request.headers.get("accept-language"))


def _use_id(call: Call, piece: Piece, wish: _Wish) -> str:
    """The identity of a request with an Idempotency-Key, so that its repetition tells no second use.

    It holds whom and what it is about: a key is free again long before the use is forgotten.
    """
    key = call.idempotency_key
    if key is None:
        return str(uuid7())
    about = (call.operation, call.caller.name, key, piece.kind, piece.id, wish.lead_id)
    return str(uuid5(_NAMES, msgspec.json.encode(about).decode()))

"""What pages are made with: who asks, in which language, by which key, and how an answer looks."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from structlog.typing import FilteringBoundLogger

from services.console.guard import own_path, sent_from
from services.console.session import Seal, Session
from services.console.shown import Shown
from shared.client import AsyncClient, Operation
from shared.client.errors import Forbidden, NotFound, Unavailable, Unreachable
from shared.clock import Clock
from shared.config import Config
from shared.events import Language
from shared.languages import wanted
from shared.periods import business_date

T = TypeVar("T")

LANGUAGE_COOKIE = "tasuki-language"
FORM_MAX = 64 * 1024
SEND_WITHIN_S, ASK_WITHIN_S = 20.0, 8.0
"""How long a person waits for what a page is about, and for a part that it can do without. A service that hangs takes
requests, and says nothing for as long as one listens."""
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Site:
    """What all pages share. tasuki: has no key; `Visit.send` asks with the key of whoever is signed in."""

    tasuki: AsyncClient
    config: Config
    seal: Seal
    zone: ZoneInfo
    fiscal_start: int
    clock: Clock
    environment: Environment
    log: FilteringBoundLogger

    def today(self) -> date:
        """The business day."""
        return business_date(self.clock.now(), self.zone)

    def render(self, template: str, language: Language, **values: Any) -> str:
        """A template in a language, without anything of a person."""
        shown = Shown(self.config, self.zone, self.clock.now(), language)
        return self.environment.get_template(template).render(shown=shown, t=shown.text, **values)


def environment() -> Environment:
    """Where templates come from."""
    loader = FileSystemLoader(_HERE / "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["part"] = partial(quote, safe="")  # of an address; jinja's own would leave a / as it is
    return made


class FormRefused(Exception):
    """A form that was not sent by one of our pages, or is none; the person is asked to send it again."""


class Visit:
    """One request of somebody who is signed in."""

    def __init__(self, site: Site, request: Request, session: Session, sealed: str) -> None:
        self.site = site
        self.request = request
        self.session = session
        self.language = language_of(request)
        self._sealed = sealed
        self._tasuki = site.tasuki.with_key(session.key)

    @property
    def is_partial(self) -> bool:
        """Whether htmx asks for a part of a page."""
        return self.request.headers.get("hx-request") == "true"

    async def send(self, operation: Operation[T], within_s: float = SEND_WITHIN_S) -> T:
        """Ask a service with the person's key. Raises TasukiError."""
        return await soon(self._tasuki.with_timeout(within_s).send(operation), within_s)

    async def ask(self, operation: Operation[T]) -> T | None:
        """The same for a part that a page can do without: None when it cannot be had now, or by this key."""
        try:
            return await self.send(operation, ASK_WITHIN_S)
        except (NotFound, Forbidden, Unavailable, Unreachable):
            return None

    async def form(self) -> dict[str, str]:
        """What was filled in. Raises FormRefused when it does not come from a page of this session."""
        said = await read_form(self.request)
        if not self.site.seal.is_form_of(self._sealed, said.pop("form", "")):
            raise FormRefused
        return said

    def show(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page."""
        text = self.site.render(
            template,
            self.language,
            session=self.session,
            form_token=self.site.seal.form_token(self._sealed),
            path=self.request.url.path,
            here=here(self.request),
            **values,
        )
        return HTMLResponse(text, status)

    def go(self, path: str) -> Response:
        """After a form: to the page that shows what came of it."""
        return RedirectResponse(path, 303)


async def soon(answer: Awaitable[T], within_s: float = SEND_WITHIN_S) -> T:
    """An answer that somebody waits for. Raises Unreachable when it takes too long."""
    try:
        async with asyncio.timeout(within_s):
            return await answer
    except TimeoutError as error:
        raise Unreachable(f"no answer came within {within_s:g} s") from error


async def read_form(request: Request) -> dict[str, str]:
    """What a form holds, whoever sent it: no more of it is read than a page of ours would send. Raises FormRefused."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise FormRefused
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_MAX:
            raise FormRefused
    return {name: value.strip() for name, value in parse_qsl(body.decode("utf-8", "replace"))}


def language_of(request: Request) -> Language:
    """The one chosen by the switch, else the browser's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    asked: Language | None = "ja" if chosen == "ja" else "en" if chosen == "en" else None
    return wanted(asked, request.headers.get("accept-language"))


def session_of(site: Site, request: Request) -> tuple[Session, str] | None:
    """Who is signed in, and the cookie that says so."""
    sealed = request.cookies.get(site.seal.cookie)
    session = site.seal.open(sealed, site.clock.now())
    return None if session is None or sealed is None else (session, sealed)


def here(request: Request) -> str:
    """Where the page is, with what it was asked; of what a form leads to, the page from which it was sent."""
    if request.method == "POST":
        return sent_from(request.headers)
    path = request.scope["raw_path"].decode("ascii")  # as it was written: a lead may be called `a/b`
    return own_path(path + (f"?{request.url.query}" if request.url.query else ""))


def choose_language(request: Request, *, secure: bool) -> Response:
    """`/language/en?to=/leads`: the switch."""
    language = request.path_params["language"]
    response = RedirectResponse(own_path(request.query_params.get("to")), 303)
    if language in ("ja", "en"):
        response.set_cookie(
            LANGUAGE_COOKIE, language, max_age=365 * 86400, secure=secure, httponly=True, samesite="lax"
        )
    return response


def moment_of(text: str, zone: ZoneInfo) -> datetime | None:
    """The value of an `<input type="datetime-local">`, in the business time zone."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone) if text else None
    except ValueError:
        return None

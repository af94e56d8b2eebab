"""`/sign-in`: with an API key; `/sign-out`."""

from contextlib import suppress
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.console.guard import is_from_us, own_path
from services.console.session import LASTS, Session
from services.console.site import ASK_WITHIN_S, FormRefused, Site, here, language_of, read_form, session_of, soon
from shared.client import AsyncClient, TasukiError, Unauthorized, Unavailable, Unreachable, own_key
from shared.client.operation import ServiceName
from shared.client.types import OwnKey

_KEY_MAX = 4_000
_ASKED: tuple[ServiceName, ...] = ("metrics", "ingest", "handoff", "outreach")
"""The one of the first page first."""
_SIGNED_OUT = "event: signed-out\ndata:\n\n"


async def show(site: Site, request: Request) -> Response:
    """The form, and what comes of it."""
    to = own_path(request.query_params.get("to"))
    if request.method == "GET":
        return _form(site, request, to)
    if not is_from_us(request.headers):
        return _form(site, request, to, "form_refused", 403)
    try:
        form = await read_form(request)
    except FormRefused:
        return _form(site, request, to, "form_refused", 403)
    key, rep = form.get("key", ""), form.get("rep", "")
    if not key or len(key) > _KEY_MAX or not key.isascii() or not key.isprintable():
        return _form(site, request, to, "key_unknown", 422, rep)
    try:
        own = await _own(site.tasuki.with_key(key))
    except Unauthorized:
        return _form(site, request, to, "key_unknown", 422, rep)
    except TasukiError:
        return _form(site, request, to, "service_away", 503, rep)
    session = Session(key=key, name=own.name, scopes=own.scopes, rep=rep if rep in site.config.team else "")
    sealed = site.seal.close(session, site.clock.now())
    if not site.seal.is_kept(sealed):
        return _form(site, request, to, "key_too_long", 422, rep)
    response = RedirectResponse(to, 303)
    response.set_cookie(
        site.seal.cookie,
        sealed,
        max_age=int(LASTS.total_seconds()),
        secure=site.seal.secure,
        httponly=True,
        samesite="lax",
    )
    return response


async def _own(client: AsyncClient) -> OwnKey:
    """Whose key it is: every service knows, so people get in while one of them is there. Raises TasukiError."""
    for service in _ASKED[:-1]:
        with suppress(Unavailable, Unreachable):
            return await soon(client.send(own_key(service)), ASK_WITHIN_S)
    return await soon(client.send(own_key(_ASKED[-1])), ASK_WITHIN_S)


def _form(
    site: Site, request: Request, to: str, wrong: str | None = None, status: int = 200, rep: str = ""
) -> Response:
    today = site.today()
    members = sorted(
        {member: site.config.team.name_of(member) for member in site.config.team.member_ids}.items(),
        key=lambda member: (site.config.team.role_of(member[0], today), member[0]),
    )
    shown = {"session": None, "path": request.url.path, "here": here(request), "members": members}
    return HTMLResponse(site.render("sign_in.html", language_of(request), **shown, to=to, wrong=wrong, rep=rep), status)


async def sign_out(site: Site, request: Request) -> Response:
    """Only by a form of ours, so that no other site signs people out."""
    signed_in = session_of(site, request)
    if signed_in is not None and await _is_ours(site, request, signed_in[1]):
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(site.seal.cookie, secure=site.seal.secure, httponly=True, samesite="lax")
        return response
    return RedirectResponse("/", 303)


async def _is_ours(site: Site, request: Request, sealed: str) -> bool:
    try:
        return site.seal.is_form_of(sealed, (await read_form(request)).get("form", ""))
    except FormRefused:
        return False


def to_sign_in(request: Request) -> Response:
    """To the form, and back here after it."""
    address = f"/sign-in?to={quote(here(request), safe='')}"
    if request.headers.get("accept") == "text/event-stream":  # a browser follows no stream elsewhere: it would give up
        return Response(_SIGNED_OUT, media_type="text/event-stream")
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": address})
    return RedirectResponse(address, 303)

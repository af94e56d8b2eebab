"""What a browser may do with our pages, and from where a form may come."""

from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing that a stranger wrote into a lead can run or be fetched: only our own files do."""
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_KEPT_FOR_A_DAY = (b"cache-control", b"public, max-age=86400")
_NOT_KEPT = (b"cache-control", b"no-store")


class Guarded:
    """Pure ASGI middleware: every answer carries the headers above. secure: people come by https alone."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._always = (*_HEADERS, *(((b"strict-transport-security", b"max-age=31536000"),) if secure else ()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept = _KEPT_FOR_A_DAY if str(scope.get("path", "")).startswith("/static/") else _NOT_KEPT

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in (*self._always, kept) if h[0] not in given)]
            await send(message)

        await self._app(scope, receive, send_guarded)


def is_from_us(headers: Mapping[str, str]) -> bool:
    """Whether a form was sent by a page of ours: browsers say so by `Sec-Fetch-Site`, older ones by `Origin`."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or _split(origin).netloc == headers.get("host")


def sent_from(headers: Mapping[str, str]) -> str:
    """The path of the page from which a form of ours was sent, with its query; "/" where the browser does not say."""
    page = _split(headers.get("referer", ""))
    return own_path(page.path + (f"?{page.query}" if page.query else ""))


def own_path(wanted: str | None) -> str:
    """A path of ours to go to; "/" for whatever leads elsewhere."""
    if not wanted or not wanted.isprintable() or not wanted.startswith("/") or wanted[1:2] in ("/", "\\"):
        return "/"  # browsers take a backslash for a slash, and what follows two slashes for a host
    return wanted


def _split(address: str) -> SplitResult:
    """The parts of an address; all are empty where it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")

"""What answers by the network: our own processes, the OpenID provider, the mail server."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from shared.doctor.finding import Finding, judged
from shared.settings import PROCESSES, ProcessName, Settings

_TIMEOUT_S = 5.0
_MAIL_PORTS = {"smtp": 587, "smtps": 465}


async def processes(settings: Settings) -> AsyncIterator[Finding]:
    """Whether each service lives and is ready; what is not says why."""
    async with httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_S) as http:
        for finding in await asyncio.gather(*(_process(http, settings, name) for name in PROCESSES)):
            yield finding


async def _process(http: httpx.AsyncClient, settings: Settings, name: ProcessName) -> Finding:
    url = settings.url(name)
    try:
        answers = [await http.get(url + path) for path in ("/livez", "/readyz")]
    except httpx.HTTPError as error:
        return judged(
            "processes",
            f"{name} does not answer at {url} ({type(error).__name__})",
            wrong=True,
            do=f"`tasuki run` starts all, `tasuki run {name}` this one; elsewhere: TASUKI_{name.upper()}_URL or _PORT",
        )
    said = [line for answer in answers if answer.status_code != HTTPStatus.OK for line in answer.text.splitlines()]
    return judged(
        "processes",
        f"{name} at {url}: {'; '.join(dict.fromkeys(said)) or 'lives and is ready'}",
        wrong=bool(said),
        do="what it names has to come back; its log has more",
    )


async def providers(settings: Settings) -> AsyncIterator[Finding]:
    """Whether the OpenID provider and the mail server can be reached, where the settings name them."""
    if settings.oidc_issuer is not None:
        yield await _issuer(settings.oidc_issuer)
    if settings.smtp_url is not None:
        yield await _mail_server(settings.smtp_url.get_secret_value())


async def _issuer(issuer: str) -> Finding:
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_S) as http:
            told = (await http.get(address)).raise_for_status().json()["issuer"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return judged(
            "providers",
            f"{address} cannot be used ({type(error).__name__})",
            wrong=True,
            do="nobody can sign in by a token until it answers; API keys still work",
        )
    return judged(
        "providers",
        f"the OpenID provider says that it is {told}",
        wrong=told != issuer,
        do="write its name in TASUKI_OIDC_ISSUER to the letter",
    )


async def _mail_server(url: str) -> Finding:
    parts = urlsplit(url)
    where = f"{parts.hostname}:{parts.port or _MAIL_PORTS[parts.scheme]}"
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or _MAIL_PORTS[parts.scheme])
    except (OSError, TimeoutError) as error:
        return judged(
            "providers",
            f"the mail server {where} does not answer ({type(error).__name__})",
            wrong=True,
            do="outreach sends nothing until it does",
        )
    writer.close()
    await writer.wait_closed()
    return judged("providers", f"the mail server {where} answers")

"""webhooks.yaml: which tools of sales are told what happens with handoffs, in what form, and what of it."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec

from shared.condition_check import Mistake
from shared.config.document import Document
from shared.config.sources import EnvironmentName
from shared.fields import FieldRegistry

EventName = Literal[
    "handoff-created",
    "handoff-accepted",
    "handoff-returned",
    "handoff-overdue",
    "handoff-due-soon",
    "handoff-reassigned",
    "stage-changed",
]
Format = Literal["standard", "slack"]
Language = Literal["ja", "en"]

OF_HANDOFFS: tuple[EventName, ...] = ("handoff-created", "handoff-accepted", "handoff-returned", "handoff-overdue")
"""What is told where an endpoint does not say what it wants."""

WebhookId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Url = Annotated[str, msgspec.Meta(pattern=r"^https?://[^/\s]\S*$", max_length=2_000)]
Names = Annotated[list[str], msgspec.Meta(min_length=1)]

HANDOFF_PART, LEAD_PART = "{handoff_id}", "{lead_id}"


class Webhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One endpoint. Its address is `url`, or the variable `url_env` where the address itself is a secret (Slack).

    `segments`, `owners`: only handoffs of these. `language`, `link`, `fields`: of Slack's texts; `link` is the address
    of a handoff for people, `fields` are those of the lead that may be shown. `comments`: what sales wrote when it gave
    a lead back is told, too. `allow_insecure`: http, within the operator's own networks.
    """

    id: WebhookId
    url: Url | None = None
    url_env: EnvironmentName | None = None
    format: Format
    events: Annotated[tuple[EventName, ...], msgspec.Meta(min_length=1)] = OF_HANDOFFS
    secret_env: EnvironmentName | None = None
    previous_secret_env: EnvironmentName | None = None
    segments: Names | None = None
    owners: Names | None = None
    language: Language | None = None
    link: Url | None = None
    fields: list[str] | None = None
    comments: bool = False
    allow_insecure: bool = False

    def address(self, environment: Mapping[str, str]) -> str:
        """Where to post to. Raises LookupError when the variable is not set."""
        return self.url if self.url is not None else _needed(self.url_env or "", "the address", environment)

    def secrets(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        """The secrets to sign with, the current one first; empty where nothing is signed. Raises LookupError.

        The previous one may go without notice: that is how a rotation ends.
        """
        if self.secret_env is None:
            return ()
        current = _needed(self.secret_env, "the secret, whsec_...", environment)
        previous = environment.get(self.previous_secret_env) if self.previous_secret_env else None
        return (current, previous) if previous else (current,)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    webhooks: list[Webhook]


def read_webhooks(document: Document, registry: FieldRegistry) -> dict[str, Webhook]:
    """The endpoints by id. Raises ConfigError."""
    webhooks: dict[str, Webhook] = {}
    for index, webhook in enumerate(document.convert(_File).webhooks):
        at = ("webhooks", index)
        if webhook.id in webhooks:
            raise document.error((*at, "id"), f"the endpoint `{webhook.id}` stands here twice; keep one")
        document.refuse(Mistake((*at, *mistake.path), mistake.reason) for mistake in _mistakes(webhook, registry))
        webhooks[webhook.id] = webhook
    return webhooks


def check_scheme(url: str, webhook: Webhook) -> str | None:
    """Why the endpoint may not be at this address, None when it may."""
    if url.lower().startswith("http:") and not webhook.allow_insecure:
        return "http shows what is told to everybody on the way: use https (`allow_insecure: true` in your own network)"
    return None


def _mistakes(webhook: Webhook, registry: FieldRegistry) -> Iterator[Mistake]:
    yield from _of_address(webhook)
    yield from _of_signatures(webhook)
    yield from _of_texts(webhook, registry)
    yield from _of_filters(webhook)


def _of_address(webhook: Webhook) -> Iterator[Mistake]:
    if (webhook.url is None) == (webhook.url_env is None):
        yield Mistake((), "write either `url`, or `url_env`: the variable with an address that is itself a secret")
    if webhook.url is not None and (reason := check_scheme(webhook.url, webhook)):
        yield Mistake(("url",), reason)


def _of_signatures(webhook: Webhook) -> Iterator[Mistake]:
    if webhook.format == "slack":
        for name in ("secret_env", "previous_secret_env"):
            if getattr(webhook, name) is not None:
                yield Mistake((name,), f"Slack does not check signatures: remove `{name}`")
    elif webhook.secret_env is None:
        yield Mistake((), "a standard webhook is signed: name the variable that holds its secret in `secret_env`")


def _of_texts(webhook: Webhook, registry: FieldRegistry) -> Iterator[Mistake]:
    if webhook.format == "standard":
        for name in ("language", "link", "fields"):
            if getattr(webhook, name) is not None:
                yield Mistake((name,), f"`{name}` is for Slack's texts; a standard webhook tells the event: remove it")
    for index, field in enumerate(webhook.fields or ()):
        if field not in registry:
            yield Mistake(("fields", index), f"there is no field `{field}`; add it to fields.yaml or correct it")
    link = webhook.link
    if link is not None and (HANDOFF_PART not in link or set("{}") & set(_filled(link, "", ""))):
        yield Mistake(("link",), f"write {HANDOFF_PART} where a handoff's id belongs; {LEAD_PART} is the lead's")


def _of_filters(webhook: Webhook) -> Iterator[Mistake]:
    if len(set(webhook.events)) < len(webhook.events):
        yield Mistake(("events",), "an event stands here twice; keep one")
    for name in ("segments", "owners"):
        if getattr(webhook, name) is not None and "stage-changed" in webhook.events:
            yield Mistake(
                (name,), "a change of stage has no handoff to look at: tell it to an endpoint without filters"
            )


def link_to(webhook: Webhook, handoff_id: str, lead_id: str) -> str | None:
    """The address of a handoff for people, None where none is configured."""
    return None if webhook.link is None else _filled(webhook.link, handoff_id, lead_id)


def _filled(link: str, handoff_id: str, lead_id: str) -> str:
    return link.replace(HANDOFF_PART, quote(handoff_id, safe="")).replace(LEAD_PART, quote(lead_id, safe=""))


def _needed(name: str, what: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name)
    if not value:
        raise LookupError(f"the environment variable {name} is not set: set it to {what}")
    return value

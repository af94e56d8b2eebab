"""sources.yaml: who may send us webhooks, how each proves that it is who it says, and what its names mean."""

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Literal, get_args

import msgspec

from shared.config.document import Document
from shared.fields import FieldRegistry
from shared.rates import parse_rate

Provider = Literal[
    "json",
    "html_form",
    "standard_webhooks",
    "typeform",
    "hubspot",
    "meta",
    "google_ads",
    "linkedin",
    "marketo",
    "tally",
    "webflow",
    "calendly",
    "jotform",
    "gravity_forms",
    "google_forms",
    "salesforce_web_to_lead",
    "zapier",
    "aircall",
    "twilio",
    "zoom_phone",
    "dialpad",
    "ringcentral",
    "miitel",
    "sendgrid",
    "mailgun",
]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)

WITHOUT_SIGNATURE: frozenset[Provider] = frozenset(
    {"json", "html_form", "marketo", "jotform", "gravity_forms", "google_forms", "salesforce_web_to_lead", "zapier"}
)
"""Providers that cannot sign: a secret is possible (a header or part of the address), not demanded."""

LIMITED: frozenset[Provider] = frozenset({"json", "html_form"})
"""Kinds of senders of whom a client waits for the answer. Others give a delivery up, or the whole webhook, on a 429."""

FROM_BROWSERS: frozenset[Provider] = frozenset({"json", "html_form", "salesforce_web_to_lead"})
"""What a visitor's browser may post itself."""

EXTERNAL_ID = "external_id"
"""What a source's `fields` may map to besides fields: the id by which the sender knows the lead."""

EnvironmentName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$")]
Address = Annotated[str, msgspec.Meta(pattern=r"^https?://[^/\s]+")]
_ORIGIN = re.compile(r"\*|https?://[^/\s?#*]+")
SourceId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sender. `fields` maps its names to ours, `reps` its users to our members.

    `token_env`: the token by which to fetch submissions of which it only tells that they are there, from `api_url`
    instead of the provider's own address. `verify_token_env`: what it repeats when it asks whether we are there (Meta);
    the secret, unless given. `rate_limit`: how much each process takes of it, as `100/s`. `origins`: whose scripts may
    post from a visitor's browser, as `https://www.example.co.jp`; `*` is anybody's. `thanks_url`: the page on which a
    form ends that the browser posts without a script.
    """

    id: SourceId
    provider: Provider
    secret_env: EnvironmentName | None = None
    previous_secret_env: EnvironmentName | None = None
    unsigned: bool = False
    public_url: Address | None = None
    token_env: EnvironmentName | None = None
    verify_token_env: EnvironmentName | None = None
    api_url: Address | None = None
    fields: dict[str, str] = {}
    reps: dict[str, str] = {}
    campaign: str | None = None
    rate_limit: str | None = None
    origins: tuple[str, ...] = ()
    thanks_url: Address | None = None

    def secrets(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        """The secrets that are good now, the current one first; empty when the source has none.

        Raises LookupError when the variable of the current secret is not set. The previous one may go without notice:
        that is how a rotation ends.
        """
        if self.secret_env is None:
            return ()
        current = self._needed(self.secret_env, "the secret", environment)
        previous = environment.get(self.previous_secret_env) if self.previous_secret_env else None
        return (current, previous) if previous else (current,)

    def token(self, environment: Mapping[str, str]) -> str:
        """The token to fetch with. Raises LookupError."""
        if self.token_env is None:
            raise LookupError(f"source {self.id} needs `token_env` in sources.yaml to fetch submissions")
        return self._needed(self.token_env, "the token", environment)

    def verify_token(self, environment: Mapping[str, str]) -> str | None:
        """What a GET that asks whether we are there has to know. Raises LookupError."""
        if self.verify_token_env is None:
            return None
        return self._needed(self.verify_token_env, "the verify token", environment)

    def _needed(self, name: str, what: str, environment: Mapping[str, str]) -> str:
        value = environment.get(name)
        if not value:
            raise LookupError(f"source {self.id} needs the environment variable {name}: set it to {what}")
        return value


class _File(msgspec.Struct, forbid_unknown_fields=True):
    sources: list[Source]


def read_sources(document: Document, registry: FieldRegistry, campaigns: Collection[str] | None) -> dict[str, Source]:
    """The sources by id. `campaigns`: ids of campaigns.yaml, None when there is no such file. Raises ConfigError."""
    sources: dict[str, Source] = {}
    for index, source in enumerate(document.convert(_File).sources):
        at = ("sources", index)
        if source.id in sources:
            raise document.error((*at, "id"), f"the source `{source.id}` stands here twice; keep one")
        _check_secret(document, at, source)
        _check_rate_limit(document, at, source)
        _check_browsers(document, at, source)
        for theirs, ours in source.fields.items():
            if ours not in registry and ours != EXTERNAL_ID:
                reason = f"`{theirs}` is mapped to `{ours}`, which is no field; add it to fields.yaml or correct it"
                raise document.error((*at, "fields", theirs), reason)
        if source.campaign is not None and campaigns is not None and source.campaign not in campaigns:
            reason = f"there is no campaign `{source.campaign}`; add it to campaigns.yaml or correct it"
            raise document.error((*at, "campaign"), reason)
        sources[source.id] = source
    return sources


def _check_secret(document: Document, at: tuple[str | int, ...], source: Source) -> None:
    if source.secret_env is None and source.previous_secret_env is not None:
        raise document.error(
            (*at, "previous_secret_env"), "`previous_secret_env` needs `secret_env`, the current secret"
        )
    if source.secret_env is not None and source.unsigned:
        raise document.error((*at, "unsigned"), "a source with `secret_env` is signed; remove `unsigned` or the secret")
    if source.secret_env is None and not source.unsigned and source.provider not in WITHOUT_SIGNATURE:
        reason = (
            f"{source.provider} signs what it sends: name the variable that holds the secret in `secret_env`, "
            "or write `unsigned: true` to take what anybody sends"
        )
        raise document.error(at, reason)


def _check_browsers(document: Document, at: tuple[str | int, ...], source: Source) -> None:
    for name in ("origins", "thanks_url"):
        if getattr(source, name) and source.provider not in FROM_BROWSERS:
            whose = f"only {' and '.join(sorted(FROM_BROWSERS))} come from a visitor's browser"
            raise document.error((*at, name), f"{source.provider} posts from its own servers: remove `{name}`; {whose}")
    for index, origin in enumerate(source.origins):
        if not _ORIGIN.fullmatch(origin):
            reason = f"`{origin}` is no origin: write scheme and host, as https://www.example.co.jp, or '*' for any"
            raise document.error((*at, "origins", index), reason)


def _check_rate_limit(document: Document, at: tuple[str | int, ...], source: Source) -> None:
    if source.rate_limit is None:
        return
    if source.provider not in LIMITED:
        reason = (
            f"{source.provider} loses what is answered with 429, or stops sending: remove `rate_limit`; "
            f"only {' and '.join(sorted(LIMITED))} may have one"
        )
        raise document.error((*at, "rate_limit"), reason)
    try:
        parse_rate(source.rate_limit)
    except ValueError as error:
        raise document.error((*at, "rate_limit"), str(error)) from error

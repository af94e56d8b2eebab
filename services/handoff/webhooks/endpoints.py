"""The endpoints of webhooks.yaml with their addresses and secrets, and what of it must stop the start."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.handoff.webhooks.deliveries import Wanted
from shared.addresses import Allowed, Network
from shared.config import Config, ConfigError
from shared.config.webhooks import Webhook, check_scheme
from shared.policy import UNKNOWN, Policy
from shared.safe_http import FetchRefused, Target, read_target
from shared.standard_webhooks import is_secret

SETTING = "TASUKI_WEBHOOK_PRIVATE_NETWORKS"


@dataclass(frozen=True, repr=False)
class WebhookEndpoint:
    """One endpoint. Its secrets may not be shown, nor its address: whoever knows that of a Slack webhook may post."""

    webhook: Webhook
    url: str
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"WebhookEndpoint({self.id})"

    @property
    def id(self) -> str:
        return self.webhook.id

    @property
    def origin(self) -> str:
        """What may be shown of its address: `https://hooks.slack.com`."""
        return read_target(self.url).origin

    @property
    def digest(self) -> str:
        """Tells its address from every other."""
        return hashlib.sha256(self.url.encode()).hexdigest()

    @property
    def wanted(self) -> Wanted:
        """What it wants to be told."""
        webhook = self.webhook
        return Wanted(webhook.id, webhook.events, webhook.segments, webhook.owners, self.digest)


def allowed_for(url: str, private: tuple[Network, ...]) -> Allowed:
    """What may be connected to: by https port 443 of the public internet, by http the operator's own networks alone."""
    ports = frozenset({443}) if read_target(url).scheme == "https" else frozenset[int]()
    return Allowed(private, ports, SETTING)


def resolve(config: Config, environment: Mapping[str, str], private: tuple[Network, ...]) -> dict[str, WebhookEndpoint]:
    """The endpoints by id. Raises ConfigError."""
    endpoints = {}
    for index, webhook in enumerate(config.webhooks.values()):
        try:
            url, secrets = webhook.address(environment), webhook.secrets(environment)
        except LookupError as error:
            raise _error(config, index, "", str(error.args[0])) from error
        if reason := _refusal_of(url, webhook, private):
            raise _error(config, index, "url" if webhook.url is not None else "url_env", reason)
        if not all(is_secret(secret) for secret in secrets):
            reason = "a secret is `whsec_` and the base64 of 24 to 64 random bytes; set its variable to such a text"
            raise _error(config, index, "secret_env", reason)
        endpoints[webhook.id] = WebhookEndpoint(webhook, url, secrets)
    return endpoints


def check_filters(config: Config, policies: Iterable[Policy]) -> None:
    """Raises ConfigError for a filter that lets nothing through: of a segment or owner that no policy and nobody in
    team.yaml knows."""
    known = list(policies)
    segments = {UNKNOWN, *(segment.id for policy in known for segment in policy.segments)}
    owners = {member for policy in known for route in policy.routing.values() for member in route.everybody}
    owners |= set(config.team.member_ids)
    for index, webhook in enumerate(config.webhooks.values()):
        _check(config, index, "segments", webhook.segments or (), segments)
        _check(config, index, "owners", webhook.owners or (), owners)


def _check(config: Config, index: int, key: str, named: Sequence[str], known: set[str]) -> None:
    for name in named:
        if name not in known:
            reason = f"nothing will ever be told: there is no `{name}`; known are {', '.join(sorted(known))}"
            raise _error(config, index, key, reason)


def _refusal_of(url: str, webhook: Webhook, private: tuple[Network, ...]) -> str | None:
    """Why nothing could ever be posted to this address; where a name leads is known only when it is posted to."""
    try:
        target = read_target(url)
    except FetchRefused as refused:
        return str(refused)
    return check_scheme(url, webhook) or _refusal_of_target(target, allowed_for(url, private))


def _refusal_of_target(target: Target, allowed: Allowed) -> str | None:
    if target.address is not None and not allowed.admits(target.address, target.port):
        return f"this address may not be posted to; {SETTING} names networks that are not public"
    if not allowed.admits_port(target.port):
        return f"https at port 443 reaches what is public; anything else needs its network in {SETTING}"
    return None


def _error(config: Config, index: int, key: str, reason: str) -> ConfigError:
    return config.documents["webhooks"].error(("webhooks", index, *([key] if key else [])), reason)

"""Every setting of Tasuki, read from the environment once at start. `docs/settings.md` lists them."""

from pathlib import Path
from socket import gethostname
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.addresses import Network, read_networks
from shared.rates import parse_rate

ServiceName = Literal["ingest", "handoff", "metrics", "outreach"]
SERVICES: tuple[ServiceName, ...] = ("ingest", "handoff", "metrics", "outreach")
ProcessName = Literal["ingest", "handoff", "metrics", "outreach", "console"]
PROCESSES: tuple[ProcessName, ...] = (*SERVICES, "console")
"""What `tasuki run` runs: the services, and the pages that are their client."""
Port = Annotated[int, Field(ge=1, le=65_535)]

SIGNATURE_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that need a private key: what verifies them may be public."""


def is_safe_address(url: str) -> bool:
    """Whether nobody on the way can change what the address answers: https, or http on this machine."""
    parts = urlsplit(url)
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_here))


def _is_database(url: str) -> bool:
    """Whether an address names a PostgreSQL, by whatever driver; the host may stand in the query."""
    try:
        parts = urlsplit(url)
        return parts.scheme.partition("+")[0] in ("postgresql", "postgres") and parts.port != 0
    except ValueError:
        return False


def _is_mail_server(url: str) -> bool:
    """Whether an address names a mail server and nothing else."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("smtp", "smtps")
            and bool(parts.hostname)
            and parts.port != 0
            and (parts.path, parts.query, parts.fragment) == ("", "", "")
        )
    except ValueError:
        return False


def _is_broker(address: str) -> bool:
    """Whether an address names a host, and perhaps a port."""
    try:
        parts = urlsplit(f"//{address}")
        return bool(parts.hostname) and parts.port != 0 and parts.netloc == address
    except ValueError:
        return False


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


class Settings(BaseSettings):
    """`TASUKI_*` of the environment; a value that makes no sense stops the start."""

    model_config = SettingsConfigDict(env_prefix="TASUKI_", frozen=True)

    host: str = Field(
        "127.0.0.1", min_length=1, description="Address that the services listen on; 0.0.0.0: all of this machine's."
    )
    console_port: Port = Field(8000, description="Port of the console.")
    ingest_port: Port = Field(8001, description="Port of ingest.")
    handoff_port: Port = Field(8002, description="Port of handoff.")
    metrics_port: Port = Field(8003, description="Port of metrics.")
    outreach_port: Port = Field(8004, description="Port of outreach.")
    ingest_url: str | None = Field(
        None, description="Address of ingest for those that call it, where that is another than host and port tell."
    )
    handoff_url: str | None = Field(
        None, description="The same of handoff; it stands in what webhooks tell, unless they have a link of their own."
    )
    metrics_url: str | None = Field(None, description="The same of metrics.")
    outreach_url: str | None = Field(None, description="The same of outreach.")
    console_url: str | None = Field(
        None,
        description="Address under which people open the console, where that is another than its own (behind a proxy);"
        " with https its cookies travel by https alone.",
    )
    console_secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="Seals the cookies of the console, the same for all its replicas; unset: made at first start by"
        " `tasuki run`, else at each start, which signs everybody out.",
    )
    database_url: str | None = Field(
        None, description="PostgreSQL to use (postgresql://...); unset: a private one under the data folder."
    )
    data_dir: Path = Field(Path(".data"), description="Folder of the private PostgreSQL and the admin key.")
    kafka_home: Path = Field(
        Path(".cache/kafka"), description="Folder of the private Kafka's program, as deploy/kafka/install.sh fills it."
    )
    config_dir: Path = Field(Path("config"), description="Folder of the YAML configuration.")
    admin_key: str | None = Field(
        None, min_length=16, description="The first API key; unset: generated at first start."
    )
    oidc_issuer: str | None = Field(
        None, description="OpenID provider whose tokens are good beside API keys (https://...); unset: none."
    )
    oidc_audience: str | None = Field(
        None, validate_default=True, description="Audience that its tokens must be for; needed with an issuer."
    )
    oidc_algorithms: str = Field("RS256, ES256", description="How its tokens may be signed; never `none` or HS*.")
    oidc_scopes_claim: str = Field(
        "scope", min_length=1, description="Claim of a token that lists scopes, as a text with spaces or a list."
    )
    oidc_scopes_prefix: str = Field(
        "",
        description="What the provider writes before each of our scopes, as `tasuki/`; what lacks it does not count.",
    )
    rate_limit_per_key: str | None = Field(
        None, description="Requests of one API key that each process lets through (100/s, 6000/m); unset: no limit."
    )
    timezone: str = Field("Asia/Tokyo", description="Business time zone in which periods are cut.")
    fiscal_year_start: int = Field(4, ge=1, le=12, description="First month of the fiscal year.")
    log_partitions: int = Field(12, ge=1, le=1024, description="Partitions of each topic when it is first made.")
    kafka_bootstrap_servers: str | None = Field(
        None, description="Brokers of Apache Kafka (host:port, ...); unset: the embedded log in PostgreSQL."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to speak to the brokers."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How the user is proved, with SASL_*."
    )
    kafka_sasl_username: str | None = Field(None, description="User at the brokers, with SASL_*.")
    kafka_sasl_password: SecretStr | None = Field(None, description="The user's password, with SASL_*.")
    kafka_ssl_ca_file: Path | None = Field(
        None, description="Certificate of the brokers' authority (PEM); unset: those that the machine trusts."
    )
    kafka_ssl_cert_file: Path | None = Field(None, description="Our own certificate (PEM), where brokers ask for one.")
    kafka_ssl_key_file: Path | None = Field(None, description="The key of our own certificate (PEM).")
    kafka_compression: Literal["none", "gzip", "lz4", "snappy", "zstd"] = Field(
        "none", description="How what we write is compressed; all of these are read."
    )
    kafka_delivery_timeout_s: float = Field(
        15.0, gt=0, description="Seconds until records that no broker has confirmed are told to be late; they are kept."
    )
    kafka_replication: int | None = Field(
        None, ge=1, description="Replicas of each topic when `tasuki topics apply` makes it; unset: 3, or all brokers."
    )
    kafka_min_isr: int | None = Field(
        None, ge=1, description="Replicas that must have a record before it counts; unset: 2 of 3, else 1."
    )
    kafka_retention_ms: int = Field(-1, ge=-1, description="How long topics keep events; -1: for ever.")
    tag_scan_automatic: bool = Field(
        True, description="Look for tags in a lead's website as soon as it is first known; false: only when asked."
    )
    fetch_private_networks: str = Field(
        "",
        description="Networks that are not public but may be fetched from, on any port (10.1.0.0/16, ...).",
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="Mail server by which outreach sends (smtps://user:password@host:465, or smtp:// with STARTTLS);"
        " unset: it sends nothing.",
    )
    webhook_private_networks: str = Field(
        "",
        description="Networks that are not public but may be posted to by webhooks, on any port (10.1.0.0/16, ...).",
    )
    retention_audit_days: int = Field(730, ge=1, description="Days for which it is kept who read and changed what.")
    retention_quarantine_days: int = Field(
        90, ge=1, description="Days for which what webhooks brought and nobody could use is kept."
    )
    retention_imports_days: int = Field(
        30, ge=1, description="Days for which an import and the rows that it rejected are kept."
    )
    retention_webhooks_days: int = Field(
        30, ge=1, description="Days for which it is kept what endpoints were told, and what was given up."
    )
    traces: bool = Field(
        False,
        description="Make OpenTelemetry traces and send them by OTLP over HTTP, as the `OTEL_*` variables of its SDK"
        " say (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, ...); needs the extra `otel`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    pool_size: int = Field(10, ge=2, description="Database connections of one service process.")
    statement_timeout_s: int = Field(30, ge=1, description="Seconds after which the server ends a statement.")
    shutdown_grace_s: int = Field(
        6, ge=1, description="Seconds a service may take to finish what it has begun; `tasuki run` grants at most 6."
    )
    consumer_member: str | None = Field(
        None, description="Name of this replica in its consumer groups, unique per service; unset: host name and port."
    )
    consumer_batch_max: int = Field(5000, ge=1, description="Events that a consumer takes in one transaction at most.")
    metrics_consumers: int = Field(2, ge=1, description="Consumers in a metrics process: one counts, another waits.")
    consumer_lease_s: float = Field(10.0, gt=0, description="Seconds after which a silent consumer's partitions go on.")
    consumer_stall_s: float = Field(60.0, gt=0, description="Seconds of lag without progress until /livez fails.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value} is no time zone of the IANA database, as Asia/Tokyo is") from error
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value is not None and not _is_database(value):
            raise ValueError(
                "the address of a database is postgresql://user:password@host:5432/name, in which characters of the "
                "password that have a meaning there stand as %XX (/ as %2F, @ as %40)"
            )
        return value

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _brokers(cls, value: str | None) -> str | None:
        """Empty is unset: so compose passes on what its .env does not name."""
        named = _listed(value or "")
        if not all(_is_broker(one) for one in named):
            raise ValueError("brokers are host:port, with commas between them, as kafka-1:9092,kafka-2:9092")
        return value if named else None

    @field_validator("console_url")
    @classmethod
    def _address_of_pages(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://here")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError("the address of the console is https:// and a name, with nothing behind it")
        return value

    @field_validator("ingest_url", "handoff_url", "metrics_url", "outreach_url")
    @classmethod
    def _address_of_service(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://here")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("the address of a service is http:// or https://, a name, and perhaps a port and a path")
        return value.rstrip("/") if value else None

    @field_validator("fetch_private_networks", "webhook_private_networks")
    @classmethod
    def _networks(cls, value: str) -> str:
        read_networks(value)
        return value

    @property
    def private_networks(self) -> tuple[Network, ...]:
        """The networks of `fetch_private_networks`."""
        return read_networks(self.fetch_private_networks)

    @field_validator("oidc_issuer")
    @classmethod
    def _safe_issuer(cls, value: str | None) -> str | None:
        if value is not None and not is_safe_address(value):
            raise ValueError("an issuer is an https address: who can change what it answers could let anybody in")
        return value

    @field_validator("oidc_audience")
    @classmethod
    def _audience_of_issuer(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not value and info.data.get("oidc_issuer"):
            raise ValueError("with TASUKI_OIDC_ISSUER it must be set: tokens for other services would be good here")
        return value

    @field_validator("oidc_algorithms")
    @classmethod
    def _asymmetric(cls, value: str) -> str:
        unfit = [name for name in _listed(value) if name not in SIGNATURE_ALGORITHMS]
        if unfit or not _listed(value):
            raise ValueError(f"allowed are {', '.join(SIGNATURE_ALGORITHMS)}, not {', '.join(unfit) or 'none at all'}")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_mail_server(value.get_secret_value()):
            raise ValueError(
                "a mail server is smtps://user:password@host:465 or smtp://..., and nothing behind the port"
            )
        return value

    @field_validator("rate_limit_per_key")
    @classmethod
    def _rate(cls, value: str | None) -> str | None:
        if value is not None:
            parse_rate(value)
        return value

    @property
    def signature_algorithms(self) -> tuple[str, ...]:
        """The names in `oidc_algorithms`."""
        return _listed(self.oidc_algorithms)

    @property
    def zone(self) -> ZoneInfo:
        """The business time zone."""
        return ZoneInfo(self.timezone)

    def port(self, service: ProcessName) -> int:
        """The port that a service listens on."""
        ports: dict[ProcessName, int] = {
            "console": self.console_port,
            "ingest": self.ingest_port,
            "handoff": self.handoff_port,
            "metrics": self.metrics_port,
            "outreach": self.outreach_port,
        }
        return ports[service]

    def member(self, service: ProcessName) -> str:
        """The replica's name in its groups: a process that comes back under it takes its own shards at once."""
        return self.consumer_member or f"{gethostname()}:{self.port(service)}"

    def url(self, service: ProcessName) -> str:
        """Base address of a service, for those that call it."""
        told: dict[ProcessName, str | None] = {
            "ingest": self.ingest_url,
            "handoff": self.handoff_url,
            "metrics": self.metrics_url,
            "outreach": self.outreach_url,
        }
        return told.get(service) or f"http://{self.host}:{self.port(service)}"

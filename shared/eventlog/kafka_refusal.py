"""Why brokers that are there do not let us in, and which setting to look at.

aiokafka says of a failed start no more than that it was "unable to bootstrap", and of a port that speaks another
protocol that the connection was closed. So we knock at each address and hold what happens against the settings.
"""

import asyncio
import ssl
from collections.abc import Iterator
from typing import Any, NamedTuple

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    for_code,
)
from aiokafka.protocol.admin import SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

from shared.eventlog.kafka_client import REQUEST_TIMEOUT_S, connection_options
from shared.settings import Settings

KNOCKING_S = 3 * REQUEST_TIMEOUT_S
"""Longest search for the reason; brokers that are silent for so long refuse nobody."""

_OTHER_NAME = (62, 64)  # of OpenSSL's X509_V_ERR_*: HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH
_OUT_OF_DATE = (9, 10)  # CERT_NOT_YET_VALID, CERT_HAS_EXPIRED


class _Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


async def why_refused(settings: Settings) -> str | None:
    """What to mend, in words; None when no broker refuses us: it is away, or it lets us in.

    Asks the brokers of the settings, and those that they tell of: these may stand under other names.
    """
    try:
        async with asyncio.timeout(KNOCKING_S):
            return await _first_reason(settings)
    except TimeoutError:
        return None


async def _first_reason(settings: Settings) -> str | None:
    options = connection_options(settings)
    known = [_Address(host, port) for host, port, _ in collect_hosts(settings.kafka_bootstrap_servers)]
    for address in known:  # which grows meanwhile
        try:
            told = await _ask(address, options, MetadataRequest([]))
        except TimeoutError:
            continue  # it is away
        except (OSError, KafkaError) as error:
            reason = _in_words(address, settings, error) or await _another_protocol(address, settings, options)
            if reason is not None:
                return reason
        else:
            known += {_Address(host, port) for _, host, port, *_ in told.brokers} - set(known)
    return None


async def _ask(address: _Address, options: dict[str, Any], request: Any) -> Any:
    conn = await create_conn(*address, **options)
    try:
        return await conn.send(request)
    finally:
        conn.close()


def _in_words(address: _Address, settings: Settings, error: BaseException) -> str | None:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _of_their_certificate(address, cause)
        if isinstance(cause, ssl.SSLError) and _is_about_ours(cause):
            return (
                f"{address} does not take our certificate, or misses it ({cause.reason}): look at "
                "TASUKI_KAFKA_SSL_CERT_FILE and TASUKI_KAFKA_SSL_KEY_FILE"
            )
        if isinstance(cause, SaslAuthenticationFailed | AuthenticationFailedError):
            return (
                f"{address} refuses the user or the password ({cause}): look at TASUKI_KAFKA_SASL_USERNAME, "
                "TASUKI_KAFKA_SASL_PASSWORD and TASUKI_KAFKA_SASL_MECHANISM"
            )
        if isinstance(cause, UnsupportedSaslMechanismError):
            return (
                f"{address} does not take {settings.kafka_sasl_mechanism}: set TASUKI_KAFKA_SASL_MECHANISM to one of "
                "the broker's sasl.enabled.mechanisms"
            )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def _of_their_certificate(address: _Address, error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message.rstrip(".")
    if error.verify_code in _OTHER_NAME:
        return (
            f"the certificate of {address} is for another name ({said}): name the brokers in "
            "TASUKI_KAFKA_BOOTSTRAP_SERVERS, and in their advertised.listeners, as their certificates do"
        )
    if error.verify_code in _OUT_OF_DATE:
        return f"the certificate of {address} is out of date ({said}): renew it on the broker, or set the clock here"
    return (
        f"the certificate of {address} is not trusted ({said}): TASUKI_KAFKA_SSL_CA_FILE must hold the certificate of "
        "the authority that has signed it"
    )


def _is_about_ours(error: ssl.SSLError) -> bool:
    """Whether the broker's last words (a TLS alert) tell of our certificate."""
    reason = error.reason or ""
    return "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason)


async def _another_protocol(address: _Address, settings: Settings, options: dict[str, Any]) -> str | None:
    spoken, ours = await _spoken(address, options), settings.kafka_security_protocol
    if spoken is None or spoken == ours:
        return None
    return f"{address} speaks {spoken}, not {ours}: set TASUKI_KAFKA_SECURITY_PROTOCOL={spoken}"


async def _spoken(address: _Address, options: dict[str, Any]) -> str | None:
    """The security protocol of a port; None when it does not answer as Kafka does. No secret is sent."""
    for transport in ("PLAINTEXT", "SSL"):
        tried = options | {"security_protocol": transport, "ssl_context": _trusting_anybody()}
        try:
            answer = await _ask(address, tried, SaslHandShakeRequest("which?"))
        except (OSError, KafkaError) as error:
            if isinstance(error.__cause__, ssl.SSLError):  # after the handshake: it wants a certificate
                return transport
            continue
        return transport if for_code(answer.error_code) is IllegalSaslStateError else f"SASL_{transport}"
    return None


def _trusting_anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

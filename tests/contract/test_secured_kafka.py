"""Kafka that lets in only who proves to be allowed: the contract holds there, too, and who is refused is told why."""

import asyncio
import logging
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from shared.eventlog import topics
from shared.eventlog.kafka_refusal import why_refused
from shared.eventlog.opened import open_log
from shared.eventlog.port import LogError, LogUnavailable, Message
from shared.events import LEADS
from shared.migrate import migrate
from shared.settings import Settings
from tests.conftest import private_folder
from tests.contract.log_contract import LogContract
from tests.contract.reading import FAR_OFF_S, Keeper, fetch_until, message
from tests.faults.client import Client
from tests.kafka import without_topics
from tests.secured import PASSWORDS, USER, Mechanism, Name, Secured, secured_broker, write_certificate
from tests.system import ROOT, System, environment_of, until

SCRAM: Mechanism = "SCRAM-SHA-512"
MISTYPED = "gH4-mistyped-7Qx"
ALLOWED = r"allow the user Describe, DescribeConfigs, Read and Write on the topics tasuki\.\*"
SECRETS = (MISTYPED, *PASSWORDS.values())


@pytest.fixture(scope="module")
def secured(kafka_home: Path) -> Iterator[Secured]:
    with private_folder() as folder, secured_broker(folder, kafka_home) as broker:
        yield broker


@pytest.fixture
async def empty(secured: Secured) -> Secured:
    """It has the topics, made by somebody who was let in, and nothing in them."""
    await without_topics(secured.cluster.bootstrap)
    await topics.apply(secured.settings("SASL_SSL"))
    return secured


class TestSecuredKafka:
    """The main cases of the contract; the others do not touch how a connection is made."""

    @pytest.fixture
    def settings(self, database_url: str, empty: Secured) -> Settings:
        return empty.settings("SASL_SSL", database_url=database_url, consumer_lease_s=2, kafka_delivery_timeout_s=3)

    log, other, member_process = LogContract.log, LogContract.other, LogContract.member_process
    test_a_record_is_what_was_written = LogContract.test_a_record_is_what_was_written
    test_offsets_are_dense_while_many_append = LogContract.test_offsets_are_dense_while_many_append
    test_a_waiting_reader_wakes = LogContract.test_a_waiting_reader_wakes_when_another_process_appends
    test_ends_and_lag = LogContract.test_ends_and_lag
    test_rewind_delivers_again = LogContract.test_rewind_delivers_again_from_the_stored_position
    test_the_shards_of_a_killed_process_go_on = LogContract.test_the_shards_of_a_killed_process_go_on


@pytest.mark.parametrize(
    ("listener", "mechanism"),
    [("SSL", SCRAM), ("MUTUAL", SCRAM), ("SASL_PLAINTEXT", SCRAM), ("SASL_PLAINTEXT", "PLAIN"), ("SASL_SSL", "PLAIN")],
)
async def test_every_way_in(
    database_url: str, secured: Secured, caplog: pytest.LogCaptureFixture, listener: Name, mechanism: Mechanism
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = secured.settings(listener, mechanism, database_url=database_url)
    await topics.apply(settings)
    assert await topics.apply(settings) == [], "it sees what has been made"
    log = await open_log(settings)
    before = await log.ends([LEADS])
    await log.append([Message(LEADS, "lead", (), f"by {listener}, {mechanism}".encode())])
    ((at, end),) = (await log.ends([LEADS])).items() - before.items()
    assert [record.value for record in await log.read(at, end - 1, 1)] == [f"by {listener}, {mechanism}".encode()]
    await log.close()
    assert await why_refused(settings) is None
    assert not any(secret in caplog.text for secret in SECRETS)


@pytest.fixture
def strangers(secured: Secured, tmp_path: Path) -> Path:
    """What another authority has signed, and its own certificate."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    write_certificate(tmp_path, "strange", authority)
    return tmp_path


WRONG: dict[str, tuple[Name, Mechanism, dict[str, Any], str]] = {
    "password": (
        "SASL_SSL",
        SCRAM,
        {"kafka_sasl_password": MISTYPED},
        "KAFKA_SASL_USERNAME, TASUKI_KAFKA_SASL_PASSWORD",
    ),
    "plain password": ("SASL_PLAINTEXT", "PLAIN", {"kafka_sasl_password": MISTYPED}, "TASUKI_KAFKA_SASL_PASSWORD"),
    "user": ("SASL_SSL", SCRAM, {"kafka_sasl_username": "nobody"}, "TASUKI_KAFKA_SASL_USERNAME"),
    "no user": ("SASL_SSL", SCRAM, {"kafka_sasl_username": None}, "set TASUKI_KAFKA_SASL_USERNAME"),
    "mechanism": ("SASL_SSL", SCRAM, {"kafka_sasl_mechanism": "SCRAM-SHA-256"}, "set TASUKI_KAFKA_SASL_MECHANISM"),
    "authority": ("SASL_SSL", SCRAM, {"kafka_ssl_ca_file": "authority.pem"}, "trusted .*: TASUKI_KAFKA_SSL_CA_FILE"),
    "authority of the machine": ("SSL", SCRAM, {"kafka_ssl_ca_file": None}, "trusted .*: TASUKI_KAFKA_SSL_CA_FILE"),
    "no certificate": ("MUTUAL", SCRAM, {"kafka_ssl_cert_file": None}, "TASUKI_KAFKA_SSL_CERT_FILE"),
    "strange certificate": (
        "MUTUAL",
        SCRAM,
        {"kafka_ssl_cert_file": "strange.pem", "kafka_ssl_key_file": "strange.key"},
        "TASUKI_KAFKA_SSL_CERT_FILE",
    ),
    "key of another": ("MUTUAL", SCRAM, {"kafka_ssl_key_file": "strange.key"}, "TASUKI_KAFKA_SSL_KEY_FILE: .*mismatch"),
    "no file": ("SSL", SCRAM, {"kafka_ssl_ca_file": "nowhere.pem"}, "TASUKI_KAFKA_SSL_CA_FILE: .*nowhere.pem"),
    "plaintext to TLS": ("SSL", SCRAM, {"kafka_security_protocol": "PLAINTEXT"}, "SECURITY_PROTOCOL=SSL"),
    "plaintext to both": ("SASL_SSL", SCRAM, {"kafka_security_protocol": "PLAINTEXT"}, "SECURITY_PROTOCOL=SASL_SSL"),
    "plaintext to mutual TLS": ("MUTUAL", SCRAM, {"kafka_security_protocol": "PLAINTEXT"}, "SECURITY_PROTOCOL=SSL"),
    "TLS to plaintext": ("SASL_PLAINTEXT", SCRAM, {"kafka_security_protocol": "SASL_SSL"}, "PROTOCOL=SASL_PLAINTEXT"),
    "TLS without SASL": ("SASL_SSL", SCRAM, {"kafka_security_protocol": "SSL"}, "SECURITY_PROTOCOL=SASL_SSL"),
    "SASL where none is": (
        "SSL",
        SCRAM,
        {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "tasuki", "kafka_sasl_password": MISTYPED},
        "SECURITY_PROTOCOL=SSL",
    ),
}
FILES = ("kafka_ssl_ca_file", "kafka_ssl_cert_file", "kafka_ssl_key_file")


@pytest.mark.parametrize("what", WRONG)
async def test_who_is_refused_is_told_which_setting_to_look_at(
    secured: Secured, strangers: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    listener, mechanism, wrong, told = WRONG[what]
    wrong = {name: strangers / value if name in FILES and value else value for name, value in wrong.items()}
    settings = secured.settings(listener, mechanism, **wrong)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LogError, match=told) as of_apply:
        await topics.apply(settings)
    with pytest.raises(LogError, match=told) as of_start:
        await topics.check(settings)
    assert not isinstance(of_apply.value, LogUnavailable)
    assert not isinstance(of_start.value, LogUnavailable)
    assert not any(secret in caplog.text + str(of_apply.value) + str(of_start.value) for secret in SECRETS)


async def test_a_name_that_is_not_in_the_certificate(secured: Secured) -> None:
    elsewhere = secured.cluster.address("SASL_SSL").replace("127.0.0.1", "localhost")
    with pytest.raises(LogError, match=r"for another name .*'localhost'.*TASUKI_KAFKA_BOOTSTRAP_SERVERS"):
        await topics.check(secured.settings("SASL_SSL", kafka_bootstrap_servers=elsewhere))


async def test_a_broker_that_is_told_of_by_a_name_that_is_not_in_its_certificate(secured: Secured) -> None:
    with pytest.raises(LogError, match=r"the certificate of localhost:.* for another name .*advertised.listeners"):
        await topics.check(secured.settings("OTHER_NAME"))


async def test_a_certificate_that_is_out_of_date(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", not_after=datetime(2026, 1, 1, tzinfo=UTC)).configure_cert(context)
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        secure: dict[str, Any] = {"kafka_security_protocol": "SSL", "kafka_ssl_ca_file": tmp_path / "authority.pem"}
        with pytest.raises(LogError, match=f"the certificate of {address} is out of date"):
            await topics.check(Settings(kafka_bootstrap_servers=address, **secure))


@pytest.mark.parametrize("operation", [AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS, AclOperation.READ])
async def test_who_may_not_is_told_what_the_user_needs(
    database_url: str, empty: Secured, operation: AclOperation
) -> None:
    """And not that topics are missing, which are hidden from who may not see them."""
    settings = empty.settings("SASL_SSL", database_url=database_url)
    told_what = rf"TopicAuthorizationFailed.*{ALLOWED}"
    with denied(empty, LEADS, operation), pytest.raises(LogError, match=told_what) as told:
        await _read_a_little(settings)
    assert not isinstance(told.value, LogUnavailable)
    await _read_a_little(settings)


async def _read_a_little(settings: Settings) -> None:
    log = await open_log(settings)
    try:
        reader = await log.join("group", "a", [LEADS], Keeper())
        try:
            await log.append([message("lead")])
            await fetch_until(reader, 1)
        finally:
            await reader.close()
    finally:
        await log.close()


@contextmanager
def denied(secured: Secured, topic: str, operation: AclOperation) -> Iterator[None]:
    """Without this right of our user on the topic."""
    admin = AdminClient({"bootstrap.servers": secured.cluster.bootstrap, "log_level": 0})
    ours = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{USER}", "*")
    rights = [
        AclBinding(*ours, AclOperation.ALL, AclPermissionType.ALLOW),
        AclBinding(*ours, operation, AclPermissionType.DENY),
    ]
    for made in admin.create_acls(rights).values():
        made.result(FAR_OFF_S)
    try:
        yield
    finally:
        all_of_them = AclBindingFilter(*ours, AclOperation.ANY, AclPermissionType.ANY)
        for removed in admin.delete_acls([all_of_them]).values():
            removed.result(FAR_OFF_S)


async def test_a_locked_key_is_refused(secured: Secured, tmp_path: Path) -> None:
    key = load_pem_private_key((secured.folder / "ours.key").read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "locked.key").write_bytes(locked)
    with pytest.raises(LogError, match=r"TASUKI_KAFKA_SSL_KEY_FILE: .*locked.key cannot be used"):
        await topics.check(secured.settings("MUTUAL", kafka_ssl_key_file=tmp_path / "locked.key"))


async def test_brokers_that_are_away_refuse_nobody(secured: Secured, free_port: Callable[[], int]) -> None:
    settings = secured.settings("SASL_SSL", kafka_bootstrap_servers=f"127.0.0.1:{free_port()}")
    assert await why_refused(settings) is None
    with pytest.raises(LogUnavailable):
        await topics.check(settings)


def test_a_wrong_password_stops_the_start_and_stands_in_no_line(
    database_url: str, empty: Secured, free_port: Callable[[], int]
) -> None:
    settings = empty.settings("SASL_SSL", kafka_sasl_password=MISTYPED, log_level="debug", ingest_port=free_port())
    for module, status in (("services.ingest",), 2), (("shared.cli", "topics", "apply"), 1):
        done = _run(settings.model_copy(update={"database_url": database_url}), *module)
        assert done.returncode == status, done.stderr
        assert "look at TASUKI_KAFKA_SASL_USERNAME, TASUKI_KAFKA_SASL_PASSWORD" in done.stderr
        assert MISTYPED not in done.stdout + done.stderr


async def test_the_log_moves_to_a_secured_kafka(empty_database_url: str, secured: Secured) -> None:
    await without_topics(secured.cluster.bootstrap)
    settings = secured.settings("SASL_SSL", database_url=empty_database_url, log_level="debug")
    await asyncio.to_thread(migrate, empty_database_url)
    embedded = await open_log(Settings(database_url=empty_database_url))
    await embedded.append([Message(LEADS, f"lead-{n % 9}", (), str(n).encode()) for n in range(500)])
    await embedded.close()

    made, moved = _run(settings, "shared.cli", "topics", "apply"), _run(settings, "shared.cli", "log", "migrate")
    assert "tasuki.leads.v1: made: 12 partitions" in made.stdout, made.stderr
    assert "moved 500 records" in moved.stdout, moved.stderr
    assert not any(secret in str((made, moved)) for secret in SECRETS)
    log = await open_log(settings)
    assert sum((await log.ends([LEADS])).values()) == 500
    await log.close()


def test_the_system_runs_on_a_secured_kafka(empty: Secured, data_dir: Path, free_port: Callable[[], int]) -> None:
    settings = empty.settings("SASL_SSL", log_level="debug")
    with System(data_dir, free_port, environment_of(settings)) as system, closing(Client(system)) as client:
        call = {"source": "s", "id": "1", "type": "call", "occurred_at": "2026-02-02T00:00:00Z", "rep": "ito"}
        told = call | {"direction": "outbound", "outcome": "busy", "lead": {"email": "mei@row.co.jp"}}
        assert client.send("ingest", "POST", "/v1/activities", told).status == 202
        until(lambda: bool(client.get("metrics", "/v1/kpis/calls/values?grain=all")["rows"]), 60, system.output)
    assert not any(secret in system.output() for secret in SECRETS)


def _run(settings: Settings, *module: str, **more: str) -> subprocess.CompletedProcess[str]:
    inherited = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        env=inherited | environment_of(settings) | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

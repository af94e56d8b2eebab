"""Settings that would let in whom they should not stop the start, each with what to do."""

import pytest
from pydantic import ValidationError

from shared.settings import Settings, is_safe_address

ISSUER = "https://id.example.jp"


@pytest.mark.parametrize("names", ["none", "HS256", "RS256, HS512", "RS256,None", "", " , ", "rs256", "ES256K"])
def test_algorithms_that_need_no_private_key_are_refused(names: str) -> None:
    with pytest.raises(ValidationError, match=r"oidc_algorithms\n.*allowed are RS256"):
        Settings(oidc_algorithms=names)


def test_algorithms_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().signature_algorithms == ("RS256", "ES256")
    monkeypatch.setenv("TASUKI_OIDC_ALGORITHMS", "PS256,EdDSA ,")
    assert Settings().signature_algorithms == ("PS256", "EdDSA")


def test_an_issuer_needs_an_audience() -> None:
    with pytest.raises(ValidationError, match="with TASUKI_OIDC_ISSUER it must be set"):
        Settings(oidc_issuer=ISSUER)
    with pytest.raises(ValidationError, match="with TASUKI_OIDC_ISSUER it must be set"):
        Settings(oidc_issuer=ISSUER, oidc_audience="")


@pytest.mark.parametrize("issuer", ["http://id.example.jp", "id.example.jp", "", "https://", "file:///etc/passwd"])
def test_an_issuer_is_an_address_that_nobody_can_answer_for(issuer: str) -> None:
    assert not is_safe_address(issuer)
    with pytest.raises(ValidationError, match="an issuer is an https address"):
        Settings(oidc_issuer=issuer, oidc_audience="tasuki")


def test_a_rate_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_RATE_LIMIT_PER_KEY", "100")
    with pytest.raises(ValidationError, match="as in 100/s"):
        Settings()


def test_services_are_called_where_they_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_HOST", "0.0.0.0")  # noqa: S104 - as in a container
    monkeypatch.setenv("TASUKI_METRICS_URL", "https://tasuki.example.jp/metrics/")
    monkeypatch.setenv("TASUKI_OUTREACH_URL", "")
    settings = Settings()
    assert settings.url("metrics") == "https://tasuki.example.jp/metrics"
    assert settings.url("outreach") == "http://0.0.0.0:8004"


@pytest.mark.parametrize("url", ["ingest:8001", "ftp://ingest", "http://", "http://ingest:8001?key=1", "/ingest"])
def test_an_address_of_a_service_that_cannot_be_called(url: str) -> None:
    with pytest.raises(ValidationError, match=r"ingest_url\n.*the address of a service is http"):
        Settings(ingest_url=url)


@pytest.mark.parametrize("named", ["", " ", " , "])
def test_brokers_that_are_named_empty_are_none(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    """So does compose pass on what its .env does not set; the log is then in PostgreSQL."""
    monkeypatch.setenv("TASUKI_KAFKA_BOOTSTRAP_SERVERS", named)
    assert Settings().kafka_bootstrap_servers is None


@pytest.mark.parametrize("named", ["kafka:abc", "kafka:99999", "kafka-1:9092,kafka-2:0", "PLAINTEXT://kafka:9092"])
def test_brokers_that_cannot_be_called(named: str) -> None:
    with pytest.raises(ValidationError, match=r"kafka_bootstrap_servers\n.*brokers are host:port"):
        Settings(kafka_bootstrap_servers=named)


def test_brokers_are_a_list_with_commas() -> None:
    for named in ("kafka", "kafka-1:9092,kafka-2:9092", "10.0.0.1:9092, [::1]:9093"):
        assert Settings(kafka_bootstrap_servers=named).kafka_bootstrap_servers == named


@pytest.mark.parametrize("port", [0, -1, 65_536, 99_999])
def test_a_port_that_nobody_can_listen_on(port: int) -> None:
    """The system asks for the address of 99999 as that of 34463, and of 0 as of any that is free."""
    with pytest.raises(ValidationError, match="ingest_port"):
        Settings(ingest_port=port)


def test_an_address_that_is_left_empty_does_not_mean_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_HOST", "")
    with pytest.raises(ValidationError, match="host"):
        Settings()

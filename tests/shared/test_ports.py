"""A service that cannot listen is told before anything starts, with the setting to change."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from shared.ports import PortError, require_free_ports
from shared.settings import Settings


def settings(free_port: Callable[[], int], **given: Any) -> Settings:
    ports: dict[str, Any] = {f"{service}_port": free_port() for service in ("ingest", "handoff", "metrics")}
    return Settings(**(ports | given))


def test_free_ports_pass(free_port: Callable[[], int]) -> None:
    require_free_ports(settings(free_port))


def test_a_taken_port_names_its_setting(free_port: Callable[[], int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=rf"Port {port} .*TASUKI_HANDOFF_PORT"):
            require_free_ports(settings(free_port, handoff_port=port))


def test_a_port_given_twice_names_both_settings(free_port: Callable[[], int]) -> None:
    port = free_port()
    with pytest.raises(PortError, match="TASUKI_INGEST_PORT and TASUKI_METRICS_PORT"):
        require_free_ports(settings(free_port, ingest_port=port, metrics_port=port))


def test_an_address_of_another_machine(free_port: Callable[[], int]) -> None:
    with pytest.raises(PortError, match=r"TASUKI_HOST=192\.0\.2\.1"):
        require_free_ports(settings(free_port, host="192.0.2.1"))


def test_an_address_that_is_none(free_port: Callable[[], int]) -> None:
    with pytest.raises(PortError, match="TASUKI_HOST"):
        require_free_ports(settings(free_port, host="not an address"))

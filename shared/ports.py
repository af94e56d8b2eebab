"""Whether ports are free, before anything is started in vain."""

import errno
import socket
from collections.abc import Sequence

from shared.settings import PROCESSES, ProcessName, Settings


class PortError(Exception):
    """Something cannot listen where it should; the message names the setting to change."""


def require_free_ports(settings: Settings, services: Sequence[ProcessName] = PROCESSES) -> None:
    """Raises PortError for the first service whose address cannot be used."""
    owner: dict[int, str] = {}
    for service in services:
        port, setting = settings.port(service), f"TASUKI_{service.upper()}_PORT"
        if port in owner:
            raise PortError(f"{owner[port]} and {setting} are both {port}: give each service a port of its own.")
        owner[port] = setting
        require_free_port(settings.host, port, setting)


def require_free_port(host: str, port: int, setting: str) -> None:
    """Raises PortError when an address cannot be used; `setting` is what the user may change."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise PortError(f"TASUKI_HOST={host} is not an address: {error.strerror}.") from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the services do: an old connection is no owner
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise PortError(f"TASUKI_HOST={host} is not an address of this machine.") from error
            if error.errno == errno.EADDRINUSE:
                raise PortError(
                    f"Port {port} is taken: end the program that listens there, or set {setting} to another port."
                ) from error
            raise PortError(f"Cannot listen on {host} port {port} ({error.strerror}): change {setting}.") from error

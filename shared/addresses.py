"""Which IP addresses may be connected to: those that are routed in the public internet, and what an operator adds.

`ipaddress` knows most of IANA's registries of special addresses, but what it knows differs between releases of Python,
and it calls multicast global. So what must never be reached stands here, too.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
WEB_PORTS = frozenset({80, 443})

_NEVER: tuple[Network, ...] = tuple(
    ip_network(written)
    for written in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),  # 2002: carries an IPv4 address (6to4)
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # an IPv4 address as a network without IPv4 writes it


@dataclass(frozen=True)
class Allowed:
    """What may be connected to: public addresses on `ports`, and on any port those of the `private` networks, which
    the `setting` names."""

    private: tuple[Network, ...] = ()
    ports: frozenset[int] = WEB_PORTS
    setting: str = "TASUKI_FETCH_PRIVATE_NETWORKS"

    def admits(self, address: Address, port: int) -> bool:
        """Whether a connection to this address and port may be made."""
        return self._is_private(address) or (port in self.ports and is_public(address))

    def admits_port(self, port: int) -> bool:
        """Whether there is any address to which this port may be connected."""
        return bool(self.private) or port in self.ports

    def _is_private(self, address: Address) -> bool:
        meant = _carried(address)
        return any(meant in network for network in self.private if network.version == meant.version)


def is_public(address: Address) -> bool:
    """Whether the address is routed in the public internet; one that carries an IPv4 address is judged by that."""
    meant = _carried(address)
    if isinstance(meant, IPv6Address) and meant not in _GLOBAL_UNICAST:
        return False
    if any(meant in network for network in _NEVER if network.version == meant.version):
        return False
    return meant.is_global and not meant.is_multicast


def read_address(written: str) -> Address:
    """An address as a name service writes it. Raises ValueError."""
    return ip_address(written.partition("%")[0])


def read_networks(written: str) -> tuple[Network, ...]:
    """`10.1.0.0/16, fd00::/8`: networks, or single addresses. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in written.split(",") if part.strip())


def _carried(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, if it stands for one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address

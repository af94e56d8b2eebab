"""What a URL asks for, taken apart by one parser alone, so that nobody downstream can read it differently. Pure."""

import re
from dataclasses import dataclass

import httpx

from shared.addresses import Address, read_address
from shared.safe_http.errors import FetchRefused

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL = 8_000
"""Characters, which every server is to take (RFC 9110, 4.1). A rule of robots.txt costs as many steps."""
_NUMBER = re.compile(r"(?:\d+|0x[0-9a-f]*)", re.IGNORECASE)
_NOWHERE = frozenset({"alt", "example", "invalid", "onion", "test"})
"""Names that no public name service will ever know (RFC 2606, 6761, 7686, 9476): nobody need be asked."""


@dataclass(frozen=True)
class Target:
    """One address to fetch. `host` is lower-case ASCII, of an IPv6 address without brackets; `path` has the query."""

    scheme: str
    host: str
    port: int
    path: str
    address: Address | None
    """Where the host is written as an address."""

    @property
    def origin(self) -> str:
        """`https://example.com` or `http://example.com:8080`, as the Host header and robots.txt mean it."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """The host, and the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return self.origin + self.path


def read_target(written: str, base: Target | None = None) -> Target:
    """A URL, or with a base also a reference relative to it. Raises FetchRefused."""
    try:
        url = httpx.URL(written) if base is None else httpx.URL(base.url).join(written)
        scheme, host, path = url.scheme, url.raw_host.decode("ascii").lower(), url.raw_path.decode("ascii")
        port = url.port or DEFAULT_PORTS.get(scheme, 0)
    except (httpx.InvalidURL, ValueError) as error:  # a UnicodeError is a ValueError
        raise FetchRefused("the web address cannot be read") from error
    if len(path) > MAX_URL:
        raise FetchRefused(f"the web address has more than {MAX_URL:,} characters")
    if scheme not in DEFAULT_PORTS:
        raise FetchRefused(f"only http and https are fetched, not {scheme[:20] or 'an address without scheme'}")
    if url.userinfo:
        raise FetchRefused("the web address carries a user name or password")
    if not host:
        raise FetchRefused("the web address names no host")
    return Target(scheme, host, port, path, _address_of(host))


def _address_of(host: str) -> Address | None:
    """Raises FetchRefused for addresses in other forms than the usual one (`127.1`, `0x7f.1`, `2130706433`)."""
    last = host.rstrip(".").rpartition(".")[2]
    if last in _NOWHERE:
        raise FetchRefused(f"names that end in .{last} are reserved; there is no such website")
    if ":" not in host and not _NUMBER.fullmatch(last):
        return None
    try:
        return read_address(host)
    except ValueError as error:
        raise FetchRefused("the host is a number, but no IP address in its usual form") from error

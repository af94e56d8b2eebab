"""What a stranger's address can make us do: nothing but ask public web servers, within bounds."""

import asyncio
import socket
import ssl
import subprocess
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from shared.addresses import is_public
from shared.safe_http import Allowed, Fetcher, FetchFailed, FetchRefused, Limits, read_networks, read_target
from shared.safe_http.names import resolve
from tests.connections import Connections, watched_connections
from tests.website import Website, answer, redirect

LIMITS = Limits(seconds=10, max_bytes=100_000, media_types=frozenset({"text/html"}))
LOCAL = read_networks("127.0.0.1/32")
PUBLIC = "93.184.215.14"


@pytest.fixture
def connections() -> Iterator[Connections]:
    """Address and port of every connection that this process begins."""
    with watched_connections() as begun:
        yield begun


def names(*answers: list[str]) -> Callable[[str], Awaitable[list[str]]]:
    """A name service that gives one answer after the other, the last again and again."""
    left = list(answers)

    async def answering(_host: str) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return answering


def fetcher(allowed: Allowed | None = None, **more: Any) -> Fetcher:
    return Fetcher(allowed or Allowed(private=LOCAL), "tests/1", **more)


SPECIAL = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255"),  # noqa: S104
    *("192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2001:10::1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    *("3fff::1", "5f00::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1", "4000::1"),
]


@pytest.mark.parametrize("written", SPECIAL)
def test_what_is_not_routed_in_the_internet_is_not_public(written: str) -> None:
    assert not is_public(ip_address(written))


@pytest.mark.parametrize(
    "written", [PUBLIC, "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"]
)
def test_what_is_routed_is_public(written: str) -> None:
    assert is_public(ip_address(written))
    assert not Allowed().admits(ip_address(written), 8080), "but only on the ports of the web"


def test_a_private_network_is_allowed_whatever_carries_its_addresses() -> None:
    allowed = Allowed(private=read_networks("10.1.0.0/16, fd00::/8"))
    assert allowed.admits(ip_address("10.1.2.3"), 8080)
    assert allowed.admits(ip_address("::ffff:10.1.2.3"), 80)
    assert allowed.admits(ip_address("fd00::1"), 80)
    assert not allowed.admits(ip_address("10.2.0.1"), 80)
    assert not allowed.admits(ip_address("127.0.0.1"), 80)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("ftp://example.com/", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("gopher://127.0.0.1:6379/_x", "only http and https"),
        ("//example.com/", "only http and https"),
        ("http://user@example.com/", "user name"),
        ("http://user:secret@example.com/", "user name"),
        ("http://example.com\r\nX: y/", "cannot be read"),
        ("http://[::1", "cannot be read"),
        ("http:///x", "names no host"),
        ("http://127.1/", "no IP address in its usual form"),
        ("http://2130706433/", "no IP address in its usual form"),
        ("http://0x7f.1/", "no IP address in its usual form"),
        ("http://0x7f000001/", "no IP address in its usual form"),
        ("http://0177.0.0.1/", "cannot be read"),
        ("http://127.0.0.1./", "no IP address in its usual form"),
        ("http://a.test/", "reserved"),
        ("http://www.acme.example/", "reserved"),
        ("http://acme.com/" + "a" * 8_000, "more than 8,000 characters"),
        ("http://acme.com/" + "a" * 70_000, "cannot be read"),
    ],
)
async def test_what_is_no_web_address_is_refused_before_anything_is_asked(
    written: str, reason: str, connections: Connections
) -> None:
    with pytest.raises(FetchRefused, match=reason):
        await fetcher(resolve=names([PUBLIC])).get(written, LIMITS)
    assert connections == []


@pytest.mark.parametrize("address", SPECIAL)
@pytest.mark.parametrize("port", ["", ":443"])
async def test_no_connection_leaves_for_an_address_that_is_not_public(
    address: str, port: str, connections: Connections
) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(FetchRefused, match="not public"):
        await fetcher(Allowed()).get(f"http://{host}{port}/", LIMITS)
    assert connections == []


@pytest.mark.parametrize("written", ["①②⑦.0.0.1", "１２７.0.0.1", "127。0。0。1"])
async def test_digits_in_another_dress_are_no_way_in(written: str, connections: Connections) -> None:
    with pytest.raises(FetchRefused):
        await fetcher(Allowed(), resolve=names(["127.0.0.1"])).get(f"http://{written}/", LIMITS)
    assert connections == []


@pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["::1"], [PUBLIC, "fe80::1%eth0"]])
async def test_no_connection_leaves_for_a_name_that_leads_inward(
    addresses: list[str], connections: Connections
) -> None:
    with pytest.raises(FetchRefused, match="not public"):
        await fetcher(Allowed(), resolve=names(addresses)).get("http://acme.com/", LIMITS)
    assert connections == []


async def test_a_server_on_an_address_that_is_not_allowed_hears_nothing() -> None:
    with Website({"/": answer("inside")}) as inside:
        ports = Allowed(ports=frozenset({inside.port}))
        for host in ("127.0.0.1", "localhost", "acme.com"):
            with pytest.raises(FetchRefused, match="not public"):
                await fetcher(ports, resolve=names(["127.0.0.1"])).get(f"http://{host}:{inside.port}/", LIMITS)
        assert inside.connections == 0
        assert (await fetcher().get(inside.url, LIMITS)).body == b"inside", "it would have answered"


async def test_other_ports_than_those_of_the_web_are_refused(connections: Connections) -> None:
    for port in (22, 25, 6379, 8080, 0xFFFF):
        with pytest.raises(FetchRefused, match=f"port {port}"):
            await fetcher(Allowed(), resolve=names([PUBLIC])).get(f"http://acme.com:{port}/", LIMITS)
    assert connections == []


async def test_the_connection_goes_to_the_address_that_was_checked(connections: Connections) -> None:
    """A name that answers otherwise when it is asked again (rebinding) is not asked again."""
    with Website({"/": answer("page")}) as site:
        asked: list[str] = []

        async def rebinding(host: str) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

        page = await fetcher(resolve=rebinding).get(f"http://acme.com:{site.port}/", LIMITS)
    assert page.body == b"page"
    assert (asked, connections) == (["acme.com"], [("127.0.0.1", site.port)])
    assert f"Host: acme.com:{site.port}" in site.requests[0]


async def test_a_name_that_answers_public_then_loopback_is_refused_at_the_redirect(connections: Connections) -> None:
    with Website({"/": redirect("/again"), "/again": answer("inside")}) as site:
        answers = names(["127.0.0.1"], ["127.0.0.2"])
        with pytest.raises(FetchRefused, match="not public"):
            await fetcher(resolve=answers).get(f"http://acme.com:{site.port}/", LIMITS)
    assert site.paths == ["/"]
    assert connections == [("127.0.0.1", site.port)]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "//127.0.0.2/",
        "http://127.1/",
        "http://user@127.0.0.1/",
        "file:///etc/passwd",
        "https://localhost.:443/",
        "http://[bad/",
    ],
)
async def test_redirects_inward_are_refused(location: str, connections: Connections) -> None:
    with Website({"/": redirect(location)}) as site, pytest.raises(FetchRefused):
        await fetcher(resolve=names(["127.0.0.3"])).get(site.url, LIMITS)
    assert connections == [("127.0.0.1", site.port)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(status: int) -> None:
    with Website({"/": redirect("next?a=1", status), "/next?a=1": answer("page")}) as site:
        page = await fetcher().get(site.url, LIMITS)
    assert (page.body, page.target.url) == (b"page", f"{site.url}/next?a=1")


async def test_redirects_have_an_end() -> None:
    with Website({"/": redirect("/")}) as site, pytest.raises(FetchRefused, match="more than 5"):
        await fetcher().get(site.url, LIMITS)
    assert len(site.requests) == 6


PACKED = zlib.compress(bytes(20_000_000))


@pytest.mark.parametrize("encoding", ["br", "gzip", "deflate", "zstd", "identity, gzip"])
async def test_what_would_have_to_be_unpacked_is_refused(encoding: str) -> None:
    with (
        Website({"/": answer(PACKED, content_encoding=encoding)}) as site,
        pytest.raises(FetchRefused, match="compresses"),
    ):
        await fetcher().get(site.url, LIMITS)
    assert "Accept-Encoding: identity" in site.requests[0]


async def test_nothing_is_unpacked_that_claims_nothing() -> None:
    with Website({"/": answer(PACKED)}) as site:
        assert (await fetcher().get(site.url, LIMITS)).body == PACKED


async def test_an_endless_body_is_cut() -> None:
    sent = 0

    def endless(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while True:
            sent += connection.send(b"x" * 65536)

    with Website({"/": endless}) as site:
        page = await fetcher().get(site.url, LIMITS)
    assert (len(page.body), page.cut) == (100_000, True)
    assert sent < 50_000_000, "the connection was closed"


def _drip(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + b"x" * 1000:
        connection.send(bytes([byte]))
        time.sleep(0.05)


def _drip_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n")
    _drip(connection)


def _silent(connection: socket.socket) -> None:
    connection.recv(1)


@pytest.mark.parametrize("slow", [_drip, _drip_body, _silent])
async def test_one_deadline_holds_for_all(slow: Callable[[socket.socket], None]) -> None:
    with Website({"/": slow}) as site, pytest.raises(FetchFailed, match=r"within 0\.5 s"):
        await fetcher().get(site.url, Limits(0.5, 1000))


async def test_the_deadline_holds_for_the_name_service_too() -> None:
    async def never(_host: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(FetchFailed, match=r"within 0\.1 s"):
        await fetcher(resolve=never).get("http://acme.com/", Limits(0.1, 1000))


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
    ],
)
async def test_what_is_no_http_fails(garbage: bytes) -> None:
    with Website({"/": garbage}) as site, pytest.raises(FetchFailed):
        await fetcher().get(site.url, LIMITS)


async def test_a_broken_off_body_fails() -> None:
    with (
        Website({"/": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 10\r\n\r\nx"}) as site,
        pytest.raises(FetchFailed),
    ):
        await fetcher().get(site.url, LIMITS)


@pytest.mark.parametrize("content_type", ["application/pdf", "image/png", "text/htmlx", ""])
async def test_other_media_types_are_refused(content_type: str) -> None:
    with (
        Website({"/": answer("x", content_type=content_type)}) as site,
        pytest.raises(FetchRefused, match="instead of a page"),
    ):
        await fetcher().get(site.url, LIMITS)


async def test_an_error_is_told_with_its_status_and_no_body() -> None:
    with Website({"/": answer("x" * 10, status=503)}) as site:
        page = await fetcher().get(site.url, LIMITS)
    assert (page.status, page.body) == (503, b"")


async def test_a_second_address_is_tried_when_the_first_takes_no_connection(connections: Connections) -> None:
    with Website({"/": answer("page")}) as site:
        allowed = Allowed(private=read_networks("127.0.0.0/8"))
        page = await fetcher(allowed, resolve=names(["127.0.0.9", "127.0.0.1"])).get(
            f"http://acme.com:{site.port}/", LIMITS
        )
    assert page.body == b"page"
    assert [address for address, _ in connections] == ["127.0.0.9", "127.0.0.1"]


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Website({"/": answer("page")}) as site, Website({}) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert (await fetcher().get(site.url, LIMITS)).body == b"page"
    assert proxy.connections == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of www.acme.com."""
    folder = tmp_path_factory.mktemp("tls")
    names_of = "subjectAltName=DNS:www.acme.com"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=www.acme.com"]
    files = ["-addext", names_of, "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command, *files], check=True, capture_output=True, timeout=60)
    return folder


async def test_the_certificate_is_that_of_the_name(certificate: Path) -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    asked: list[str] = []
    served.sni_callback = lambda _socket, name, _context: asked.append(name)
    trusted = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    with Website({"/": answer("page")}, served) as site:
        local = fetcher(resolve=names(["127.0.0.1"]), tls=trusted)
        page = await local.get(f"https://www.acme.com:{site.port}/", LIMITS)
        assert page.body == b"page"
        with pytest.raises(FetchFailed, match="certificate"):
            await local.get(f"https://other.acme.com:{site.port}/", LIMITS)
        with pytest.raises(FetchFailed, match="certificate"):
            await fetcher(resolve=names(["127.0.0.1"])).get(f"https://www.acme.com:{site.port}/", LIMITS)
    assert asked[0] == "www.acme.com"


async def test_names_are_asked_for_once_each() -> None:
    assert "127.0.0.1" in await resolve("localhost")
    with pytest.raises(FetchFailed):
        await resolve("no-such-name.invalid")
    with pytest.raises(FetchRefused):
        await resolve("a" * 100 + ".com")


def test_a_target_says_what_will_be_asked() -> None:
    target = read_target("HTTPS://WWW.Acme.com:443/a b?q=日本#part")
    assert target.url == "https://www.acme.com/a%20b?q=%E6%97%A5%E6%9C%AC"
    assert read_target("http://[2606:4700::1111]:8080/").origin == "http://[2606:4700::1111]:8080"

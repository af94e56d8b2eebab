"""Domains: which part of a host somebody registered, and whether it tells the company."""

import ipaddress
from functools import lru_cache
from importlib.resources import files
from urllib.parse import urlsplit

import idna
from publicsuffixlist import PublicSuffixList

_SUFFIXES = PublicSuffixList(accept_unknown=True, accept_encoded_idn=True)


def _read_shared_domains() -> frozenset[str]:
    text = files("shared").joinpath("shared_domains.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def host_of(text: str) -> str | None:
    """The host of a URL, an e-mail address or a bare host name: lower-case ASCII, None when there is none."""
    text = text.strip()
    if "://" not in text:
        text = "//" + (text.rpartition("@")[2] if "@" in text.partition("/")[0] else text)
    try:
        host = urlsplit(text).hostname
        return idna.encode(host.rstrip("."), uts46=True).decode() if host else None
    except (ValueError, UnicodeError):  # idna.IDNAError is a UnicodeError
        return None


@lru_cache(maxsize=100_000)
def registrable_domain(text: str) -> str | None:
    """`https://www.sales.acme.co.jp/x`, `a@sales.acme.co.jp` or `acme.co.jp` -> `acme.co.jp`.

    None for an IP address, a public suffix alone, a single label, and what is no host at all.
    """
    host = host_of(text)
    if host is None or "." not in host or _is_address(host):
        return None
    return _SUFFIXES.privatesuffix(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.rpartition(".")[2].isdigit()  # 127.1 and the like are addresses to a resolver
    return True


def company_domain(*, website: str | None = None, email: str | None = None) -> str | None:
    """The registrable domain of the website, else of the e-mail; None where its host is one that many share."""
    for text in (website, email):
        domain = registrable_domain(text) if text else None
        if domain and not _is_shared(host_of(text or "") or ""):
            return domain
    return None


def _is_shared(host: str) -> bool:
    labels = host.split(".")
    return any(".".join(labels[start:]) in SHARED_DOMAINS for start in range(len(labels)))


SHARED_DOMAINS = _read_shared_domains()
"""Free mail, carriers, providers, social sites, with everything below them: never a company's domain."""

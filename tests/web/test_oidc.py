"""Tokens of an OpenID provider: who gets in, as whom, and what every other token is answered."""

import base64
import hashlib
import hmac
import io
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.web import Access, Caller, Problem, create_app
from shared.web.auth import Admitted, access_of
from shared.web.issuer_keys import STALE_S, UNKNOWN_EVERY_S, IssuerKeys, usable_keys
from shared.web.oidc import LEEWAY_S, TOKEN_MAX, OidcTokens
from tests.web.conftest import Site, problem, serving
from tests.web.issuer import AUDIENCE, Issuer, issuing, jwk, rsa_key


@dataclass
class Guarded:
    """A reader of tokens, the issuer that it asks, and the time by which it asks."""

    issuer: Issuer
    tokens: OidcTokens
    logged: io.StringIO
    now: float = 1000.0

    async def refused(self, token: str, status: int = 401) -> str:
        with pytest.raises(Problem) as caught:
            await self.tokens(token)
        assert caught.value.status == status, caught.value.detail
        return caught.value.detail

    async def name(self, token: str) -> str:
        return (await self.tokens(token)).caller.name


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    async with issuing() as issuer:
        yield guarded_by(issuer)


def guarded_by(issuer: Issuer, **more: Any) -> Guarded:
    logged = io.StringIO()
    keys = IssuerKeys(issuer.url, Telemetry("test", stream=logged).log, lambda: made.now)
    options: dict[str, Any] = {"issuer": issuer.url, "audience": AUDIENCE, "algorithms": ("RS256", "ES256")} | more
    made = Guarded(issuer, OidcTokens(keys, **options), logged)
    return made


async def test_a_good_token_is_a_caller_with_our_scopes(guarded: Guarded) -> None:
    caller, good_for_s = await guarded.tokens(guarded.issuer.token(scope="openid leads:read email leads:write"))
    assert caller.name == "oidc:tanaka"
    assert caller.scopes == {"leads:read", "leads:write"}
    assert 300 < good_for_s <= 300 + LEEWAY_S


@pytest.mark.parametrize(
    ("scope", "ours"),
    [
        (["kpis:read", 1, None, ["admin"], {"admin": 1}], {"kpis:read"}),
        ({"admin": True}, set()),
        (None, set()),
        ("", set()),
        ("ADMIN leads", set()),
    ],
)
async def test_only_our_scopes_count_in_whatever_form(guarded: Guarded, scope: Any, ours: set[str]) -> None:
    assert (await guarded.tokens(guarded.issuer.token(scope=scope))).caller.scopes == ours


async def test_claim_and_prefix_are_the_operators(guarded: Guarded) -> None:
    issuer = guarded.issuer
    other = guarded_by(issuer, scopes_claim="roles", scopes_prefix="tasuki/")
    token = issuer.token(scope="admin", roles=["tasuki/leads:read", "admin", "tasuki/", "leads:write"])
    assert (await other.tokens(token)).caller.scopes == {"leads:read"}


async def test_elliptic_curves_and_several_audiences(guarded: Guarded) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    guarded.issuer.jwks.append(jwk(key, "k2"))
    token = guarded.issuer.token(key=key, kid="k2", algorithm="ES256", aud=["another", AUDIENCE])
    assert await guarded.name(token) == "oidc:tanaka"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"aud": "another"}, "another audience"),
        ({"aud": ["another"]}, "another audience"),
        ({"exp": -LEEWAY_S - 5}, "expired"),
        ({"nbf": LEEWAY_S + 10}, "not good yet"),
        ({"iat": LEEWAY_S + 10}, "not good yet"),
        ({"exp": None}, "lacks"),
        ({"iss": None}, "lacks"),
        ({"aud": None}, "lacks"),
        ({"sub": None}, "lacks"),
        ({"exp": "tomorrow"}, "lacks"),
        ({"nbf": []}, "lacks"),
        ({"sub": 7}, "lacks"),
        ({"aud": {"tasuki": 1}}, "lacks"),
        ({"sub": ""}, "`sub`"),
        ({"sub": "x" * 256}, "`sub`"),
        ({"sub": "a\nb"}, "`sub`"),
        ({"sub": "\u7530\u4e2d"}, "`sub`"),
    ],
)
async def test_claims_that_do_not_let_in(guarded: Guarded, claims: dict[str, Any], reason: str) -> None:
    now = time.time()
    told = {n: now + v if n in ("exp", "nbf", "iat") and isinstance(v, int) else v for n, v in claims.items()}
    missing = {name for name, value in told.items() if value is None}
    whole = {name: value for name, value in (guarded.issuer.claims() | told).items() if name not in missing}
    assert reason in await guarded.refused(signed(guarded.issuer, whole))


async def test_clocks_may_differ_by_the_leeway(guarded: Guarded) -> None:
    now = time.time()
    assert await guarded.name(guarded.issuer.token(exp=now - LEEWAY_S + 15, nbf=now + LEEWAY_S - 15)) == "oidc:tanaka"


def signed(issuer: Issuer, claims: Any, header: Any = None) -> str:
    """A token with a genuine signature over any claims and header, which no library would write."""
    head = json.dumps({"alg": "RS256", "kid": "k1"} if header is None else header)
    content = encoded(head.encode()) + b"." + encoded(json.dumps(claims).encode())
    return (content + b"." + encoded(jwt.get_algorithm_by_name("RS256").sign(content, issuer.key))).decode()


def encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


async def test_algorithms_are_those_of_the_settings(guarded: Guarded) -> None:
    issuer = guarded.issuer
    assert "not allowed" in await guarded.refused(issuer.token(algorithm="RS384"))
    assert "not allowed" in await guarded.refused(jwt.encode(issuer.claims(), "", "none", headers={"kid": "k1"}))
    for alg in ("None", "NONE", "", "HS256", "rs256"):
        assert "not allowed" in await guarded.refused(signed(issuer, issuer.claims(), {"alg": alg, "kid": "k1"}))
    assert issuer.asked == 0, "what is not allowed is refused before anybody is asked"


@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
async def test_an_hmac_with_the_public_key_is_no_signature(guarded: Guarded, form: str) -> None:
    """Also where an operator's reader would allow HS256: a key serves its own algorithm only."""
    issuer, public = guarded.issuer, guarded.issuer.key.public_key()
    kinds = {"pem": serialization.Encoding.PEM, "der": serialization.Encoding.DER}
    if form == "jwk":
        secret = json.dumps(issuer.jwks[0]).encode()
    else:
        secret = public.public_bytes(kinds[form], serialization.PublicFormat.SubjectPublicKeyInfo)
    content = encoded(b'{"alg":"HS256","kid":"k1"}') + b"." + encoded(json.dumps(issuer.claims()).encode())
    token = (content + b"." + encoded(hmac.digest(secret, content, hashlib.sha256))).decode()
    assert "not allowed" in await guarded.refused(token)
    careless = guarded_by(issuer, algorithms=("RS256", "HS256"))
    assert "does not have" in await careless.refused(token)


async def test_a_symmetric_key_among_the_public_ones_is_left_out(guarded: Guarded) -> None:
    oct_key = {"kty": "oct", "kid": "k9", "alg": "HS256", "k": encoded(b"x" * 32).decode()}
    guarded.issuer.jwks.append(oct_key)
    careless = guarded_by(guarded.issuer, algorithms=("RS256", "HS256"))
    token = jwt.encode(guarded.issuer.claims(), "x" * 32, "HS256", headers={"kid": "k9"})
    assert "does not have" in await careless.refused(token)


async def test_a_key_serves_its_own_algorithm_only(guarded: Guarded) -> None:
    guarded.issuer.jwks = [jwk(guarded.issuer.key, "k1", alg="RS512")]
    assert "does not have" in await guarded.refused(guarded.issuer.token())


async def test_signatures_by_others_and_changed_tokens(guarded: Guarded) -> None:
    assert "wrong" in await guarded.refused(guarded.issuer.token(key=rsa_key()))
    good = guarded.issuer.token()
    head, _, signature = good.split(".")
    more = encoded(json.dumps(guarded.issuer.claims(scope="admin")).encode()).decode()
    assert "wrong" in await guarded.refused(f"{head}.{more}.{signature}")
    assert "wrong" in await guarded.refused(f"{good[:-8]}AAAAAAAA")
    assert "wrong" in await guarded.refused(f"{head}.{good.split('.')[1]}.")


async def test_short_keys_verify_nothing(guarded: Guarded) -> None:
    short = rsa_key(1024)
    guarded.issuer.jwks = [jwk(short, "k1")]
    claims = guarded.issuer.claims()
    guarded.issuer.key = short
    assert "wrong" in await guarded.refused(signed(guarded.issuer, claims))


@pytest.mark.parametrize(
    "token",
    [
        "eyJ..",
        "eyJ.eyJ.eyJ",
        "eyJhbGciOiJSUzI1NiJ9.e30.",
        "eyJ\xe9.a.b",
        "eyJ!.a.b",
        encoded(b'{"alg":"RS256","kid":' + b"[" * 3000).decode() + ".e30.e30",
        encoded(b'{"alg":"RS256","kid":"k1"}').decode() + "." + encoded(b"[" * 4000).decode() + ".e30",
        encoded(b'{"alg":"RS256","kid":["k1"]}').decode() + ".e30.e30",
        encoded(b'{"alg":["RS256"],"kid":"k1"}').decode() + ".e30.e30",
        encoded(b'{"alg":"RS256","alg":"none","kid":"k1"}').decode() + ".e30.e30",
        encoded(b'{"alg":"RS256","kid":"k1"}').decode() + "." + encoded(b'{"exp":1e400}').decode() + ".e30",
        encoded(b'{"alg":"RS256","kid":"k1"}').decode() + "." + encoded(b'{"exp":' + b"9" * 5000 + b"}").decode() + ".",
    ],
)
async def test_what_only_looks_like_a_token(guarded: Guarded, token: str) -> None:
    await guarded.refused(token)
    assert guarded.issuer.asked == 0


async def test_missing_kid(guarded: Guarded) -> None:
    assert "kid" in await guarded.refused(guarded.issuer.token(kid=None))


async def test_giant_tokens(guarded: Guarded) -> None:
    assert f"longer than {TOKEN_MAX}" in await guarded.refused(guarded.issuer.token(more="x" * TOKEN_MAX))
    assert await guarded.name(guarded.issuer.token(more="x" * 5000)) == "oidc:tanaka"


async def test_rotated_keys_are_found_and_unknown_ones_asked_for_once_a_minute(guarded: Guarded) -> None:
    issuer = guarded.issuer
    await guarded.tokens(issuer.token())
    new = rsa_key()
    issuer.jwks = [jwk(new, "k2")]
    token = issuer.token(key=new, kid="k2")
    for n in range(5):
        assert "does not have" in await guarded.refused(token)
        await guarded.refused(issuer.token(kid=f"made up {n}"))
    assert issuer.asked == 1
    guarded.now += UNKNOWN_EVERY_S
    assert await guarded.name(token) == "oidc:tanaka"
    assert issuer.asked == 2
    assert "does not have" in await guarded.refused(issuer.token()), "the key before is no longer shown"


async def test_a_withdrawn_key_ends_without_anybody_asking_for_another(guarded: Guarded) -> None:
    issuer, token = guarded.issuer, guarded.issuer.token()
    await guarded.tokens(token)
    issuer.jwks = [jwk(rsa_key(), "k2")]
    guarded.now += STALE_S
    assert await guarded.name(token) == "oidc:tanaka", "nobody waits for the look that begins now"
    task = guarded.tokens._keys._fetching
    assert task is not None
    await task
    assert "does not have" in await guarded.refused(token)


async def test_an_issuer_that_is_away_matters_only_until_a_key_is_known(guarded: Guarded) -> None:
    issuer, token = guarded.issuer, guarded.issuer.token()
    issuer.status = 500
    with pytest.raises(Problem) as caught:
        await guarded.tokens(token)
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "2")
    await guarded.refused(token, 503)
    assert issuer.asked == 1, "who comes right after does not ask again"
    issuer.status = 200
    guarded.now += 2
    assert await guarded.name(token) == "oidc:tanaka"
    issuer.status = 500
    guarded.now += STALE_S
    assert await guarded.name(token) == "oidc:tanaka"
    assert "does not have" in await guarded.refused(issuer.token(kid="k2"))
    assert await guarded.name(token) == "oidc:tanaka"
    assert "oidc_keys_not_fetched" in guarded.logged.getvalue()
    assert token not in guarded.logged.getvalue()


async def test_an_issuer_where_nobody_listens() -> None:
    async with issuing() as issuer:
        token = issuer.token()
    await guarded_by(issuer).refused(token, 503)


@pytest.mark.parametrize(
    ("discovery", "reason"),
    [
        ({"issuer": "https://evil.example"}, "of another issuer"),
        ({"jwks_uri": "http://evil.example/keys"}, "is not https"),
        ({"jwks_uri": None}, "Expected `str`"),
        ({"issuer": 1}, "Expected `str`"),
    ],
)
async def test_a_discovery_document_that_is_not_the_issuers(
    guarded: Guarded, discovery: dict[str, Any], reason: str
) -> None:
    guarded.issuer.discovery = discovery
    await guarded.refused(guarded.issuer.token(), 503)
    assert reason in guarded.logged.getvalue(), "the operator hears why"


async def test_a_key_set_of_rubbish_is_as_none(guarded: Guarded) -> None:
    good = guarded.issuer.jwks[0]
    rubbish: list[dict[str, Any]] = [
        {},
        {"kid": "a"},
        {"kid": "a", "kty": []},
        {"kid": "a", "kty": "RSA", "n": 1, "e": "AQAB"},
    ]
    rubbish += [{"kid": "a", "kty": "RSA", "alg": ["RS256"]}, good | {"kid": 1}, good | {"kid": "e", "use": "enc"}]
    rubbish += [{"kid": "a", "kty": "EC", "crv": "P-256", "x": "AA", "y": "!"}]
    assert usable_keys(rubbish) == {}
    guarded.issuer.jwks = rubbish
    await guarded.refused(guarded.issuer.token(), 503)
    guarded.issuer.jwks = [*rubbish, good]
    guarded.now += UNKNOWN_EVERY_S
    assert await guarded.name(guarded.issuer.token()) == "oidc:tanaka"


async def test_tokens_and_keys_at_the_same_door(site: Site) -> None:
    """The way from the settings to an answer; and a token without OIDC is a key that nobody knows."""
    async with issuing() as issuer:
        settings = Settings(oidc_issuer=issuer.url, oidc_audience=AUDIENCE)
        access = access_of(settings, site.engine, site.telemetry.log)
        app = create_app(title="t", endpoints=site.sample.table(), access=access, telemetry=site.telemetry)
        key = await site.key("beside tokens", "leads:read")
        token, mail = issuer.token(), "canary@leak.example"
        async with serving(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await client.get("/v1/things", headers=key)).status_code == 200
            assert (await client.get("/v1/things", headers=bearer(token))).status_code == 200
            denied = await client.post("/v1/things", json={"name": "x"}, headers=bearer(token))
            assert problem(denied, 403)["scope"] == "leads:write"
            problem(await client.get("/v1/things", headers=bearer(issuer.token(aud="x", sub=mail))), 401)
            problem(await client.get("/v1/things", headers=bearer(issuer.token(kid="k2", sub=mail))), 401)
            assert (await client.get("/v1/things", headers=bearer(issuer.token(sub=mail)))).status_code == 200
            problem(await client.get("/v1/things", headers=bearer("eyJ" + "x" * 60_000 + ".e30.e30")), 401)
        assert issuer.asked == 1
    logged = site.logged.getvalue()
    assert "oidc_keys_fetched" in logged
    assert token not in logged
    assert mail not in logged
    assert "API key" in problem(await site.client.get("/v1/things", headers=bearer(token)), 401)["detail"]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(("good_for_s", "asked"), [(0.0, 2), (3600.0, 1)])
async def test_a_token_is_remembered_no_longer_than_it_is_good(site: Site, good_for_s: float, asked: int) -> None:
    read: list[str] = []

    async def reader(token: str) -> Admitted:
        read.append(token)
        return Admitted(Caller("oidc:tanaka", frozenset()), good_for_s)

    access = Access(site.engine, tokens=reader)
    for _ in range(2):
        await access.caller("Bearer eyJ.a.b")
    assert len(read) == asked

"""An OpenID provider as a real server on a port of this machine, which signs what it is told to sign."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.web.conftest import serving

AUDIENCE = "tasuki"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def jwk(key: PrivateKey, kid: str, **more: Any) -> dict[str, Any]:
    """The public half as a JWKS has it."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return public | {"kid": kid} | more


class Issuer:
    """`jwks`: the keys that it shows; `status` other than 200: it is ill; `asked`: how often its keys were fetched."""

    def __init__(self) -> None:
        self.url = ""
        self.key = rsa_key()
        self.jwks: list[Any] = [jwk(self.key, "k1", use="sig")]
        self.discovery: dict[str, Any] = {}
        self.status = 200
        self.asked = 0

    def app(self) -> Starlette:
        return Starlette(
            routes=[Route("/.well-known/openid-configuration", self._discovery), Route("/keys", self._keys)]
        )

    async def _discovery(self, _request: Request) -> Response:
        self.asked += 1
        document = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.discovery
        return JSONResponse(document, self.status)

    async def _keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": self.jwks})

    def claims(self, **more: Any) -> dict[str, Any]:
        """Good claims; those given as None are left out."""
        claims = {"iss": self.url, "sub": "tanaka", "aud": AUDIENCE, "exp": time.time() + 300, "scope": "leads:read"}
        return {name: value for name, value in (claims | more).items() if value is not None}

    def token(
        self, *, key: Any = None, kid: str | None = "k1", algorithm: str = "RS256", headers: Any = None, **claims: Any
    ) -> str:
        """A token with these claims, good unless told otherwise."""
        named = ({} if kid is None else {"kid": kid}) | (headers or {})
        return jwt.encode(self.claims(**claims), key or self.key, algorithm, headers=named)


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """A running issuer."""
    issuer = Issuer()
    async with serving(issuer.app()) as url:
        issuer.url = url
        yield issuer

"""Tokens of an OpenID provider as callers: signature, issuer, audience and times are checked, its scopes are read.

Only algorithms of the settings count, never what a token says of itself, and a key serves only its own algorithm: a
token that is "signed" by HMAC with the public key, or not at all, is refused before anything is computed.
"""

import base64
import binascii
import time
from collections.abc import Collection
from typing import Any

import jwt
import msgspec
from structlog.typing import FilteringBoundLogger

from shared.settings import Settings
from shared.web.auth import Admitted
from shared.web.bodies import convert, parse_json
from shared.web.endpoint import Caller
from shared.web.issuer_keys import IssuerKeys
from shared.web.keys import OIDC_PREFIX
from shared.web.problems import Problem, unauthorized
from shared.web.scopes import SCOPES

LEEWAY_S = 30
"""By how much the provider's clock and ours may differ."""
TOKEN_MAX = 8192
_SUBJECT_MAX = 255  # as OpenID Connect has it

_JWT = jwt.PyJWT(options={"enforce_minimum_key_length": True})
_REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.ImmatureSignatureError: "The token is not good yet.",
    jwt.InvalidIssuerError: "The token is of another issuer.",
    jwt.InvalidAudienceError: "The token is for another audience.",
}


class _Header(msgspec.Struct):
    alg: str
    kid: str


class _Claims(msgspec.Struct):
    """The types of what is looked at, so that no library has to guess."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    nbf: float | None = None
    iat: float | None = None
    jti: str | None = None


class OidcTokens:
    """Reads tokens of one issuer for one audience.

    scopes_claim: where the scopes are, a list or a text with spaces. scopes_prefix: what the issuer writes before
    each of ours; others do not count.
    """

    def __init__(
        self,
        keys: IssuerKeys,
        *,
        issuer: str,
        audience: str,
        algorithms: Collection[str],
        scopes_claim: str = "scope",
        scopes_prefix: str = "",
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._algorithms = algorithms
        self._scopes_claim = scopes_claim
        self._scopes = {scopes_prefix + scope: scope for scope in SCOPES}

    async def __call__(self, token: str) -> Admitted:
        """Whose token it is, and how long it is good. Raises Problem 401, and 503 while the issuer's keys are away."""
        header, document, claims = _read(token)
        if header.alg not in self._algorithms:
            raise unauthorized("The token is signed in a way that is not allowed here.")
        key = await self._keys.find(header.kid)
        if key is None or key.algorithm_name != header.alg:
            raise unauthorized("The token is signed with a key that its issuer does not have.")
        self._verify(token, key)
        scopes = frozenset(
            self._scopes[word] for word in _words(document.get(self._scopes_claim)) & self._scopes.keys()
        )
        return Admitted(Caller(OIDC_PREFIX + claims.sub, scopes), claims.exp + LEEWAY_S - time.time())

    def _verify(self, token: str, key: jwt.PyJWK) -> None:
        try:
            _JWT.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": ["iss", "sub", "aud", "exp"]},
            )
        except jwt.PyJWTError as error:
            raise unauthorized(_REASONS.get(type(error), "The token or its signature is wrong.")) from error


def oidc_tokens(settings: Settings, log: FilteringBoundLogger) -> OidcTokens:
    """The reader of tokens as the settings name it; they have an issuer."""
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        raise ValueError("an issuer and an audience must be set here")
    return OidcTokens(
        IssuerKeys(settings.oidc_issuer, log),
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        algorithms=settings.signature_algorithms,
        scopes_claim=settings.oidc_scopes_claim,
        scopes_prefix=settings.oidc_scopes_prefix,
    )


def _read(token: str) -> tuple[_Header, dict[str, Any], _Claims]:
    """Header and claims as they stand there: of the right form, and not to be believed yet."""
    if len(token) > TOKEN_MAX:
        raise unauthorized(f"The token is longer than {TOKEN_MAX} characters.")
    try:
        header, document = (parse_json(_decoded(part)) for part in token.split(".")[:2])
        claims = convert(document, _Claims)
        if not (claims.sub.isascii() and claims.sub.isprintable() and 1 <= len(claims.sub) <= _SUBJECT_MAX):
            raise unauthorized(f"The token's `sub` must be 1 to {_SUBJECT_MAX} printable ASCII characters.")
        return convert(header, _Header), document, claims
    except (binascii.Error, UnicodeEncodeError) as error:
        raise unauthorized("The token is cut off or no JSON Web Token.") from error
    except Problem as problem:
        if problem.status == 401:
            raise
        raise unauthorized("The token lacks what is needed: alg, kid, iss, sub, aud and exp.") from problem


def _decoded(part: str) -> bytes:
    return base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _words(claim: Any) -> set[str]:
    """What a claim lists, as a text with spaces or as a list; anything else lists nothing."""
    words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return {word for word in words if isinstance(word, str)}

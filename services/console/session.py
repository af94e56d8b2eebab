"""Who is signed in: a sealed cookie that holds the person's API key. Nothing is stored on the server. Pure."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

import msgspec
from cryptography.fernet import Fernet, InvalidToken

LASTS = timedelta(hours=12)
COOKIE_MAX = 4096
"""Bytes of a cookie with its name that browsers keep; a longer one they drop without a word."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A person who is signed in. `rep`: who it is in team.yaml, "" for nobody there."""

    key: str
    name: str
    scopes: list[str]
    rep: str = ""

    def may(self, scope: str) -> bool:
        """Whether the key held the scope when the person signed in; the services ask anew each time."""
        return scope in self.scopes or "admin" in self.scopes


class Seal:
    """Seals sessions. secret: the same for all replicas. secure: cookies travel by https alone."""

    def __init__(self, secret: str, *, secure: bool) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"session " + secret.encode()).digest()))
        self._form_key = hashlib.sha256(b"forms " + secret.encode()).digest()
        self.secure = secure
        self.cookie = "__Host-tasuki" if secure else "tasuki"

    def close(self, session: Session, now: datetime) -> str:
        """The session as the value of a cookie."""
        return self._fernet.encrypt_at_time(msgspec.json.encode(session), int(now.timestamp())).decode()

    def is_kept(self, sealed: str) -> bool:
        """Whether a browser keeps such a cookie: that of a token of 3,000 letters it does not."""
        return len(self.cookie) + len(sealed) <= COOKIE_MAX

    def open(self, sealed: str | None, now: datetime) -> Session | None:
        """The session of a cookie; None when there is none, it is not ours, or it is too old."""
        if not sealed:
            return None
        try:
            ttl = int(LASTS.total_seconds())
            return msgspec.json.decode(
                self._fernet.decrypt_at_time(sealed.encode(), ttl, int(now.timestamp())), type=Session
            )
        except (InvalidToken, msgspec.MsgspecError, UnicodeEncodeError):
            return None

    def form_token(self, sealed: str) -> str:
        """What each form of a session carries; another site cannot know it."""
        return hmac.new(self._form_key, sealed.encode(), hashlib.sha256).hexdigest()

    def is_form_of(self, sealed: str, token: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(self.form_token(sealed).encode(), token.encode())  # as texts they must be ASCII

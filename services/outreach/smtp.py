"""Handing a mail to a server by SMTP. What becomes of it is told apart: taken, refused, or nobody can know."""

import asyncio
import smtplib
import ssl
from contextlib import suppress
from datetime import datetime
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, Policy
from email.utils import format_datetime
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from services.outreach.content import Sender
from services.outreach.render import Rendered
from shared.events import Language
from shared.settings import Settings

TIMEOUT_S = 15.0
"""For each answer of the server."""


class MailRefused(Exception):
    """The server has not taken the mail, and says so. `lasting`: it would not take it again; the message tells why."""

    def __init__(self, why: str, *, lasting: bool) -> None:
        super().__init__(why)
        self.lasting = lasting


class MailUncertain(Exception):
    """The connection was lost while the mail was handed over: it may have been taken, or not."""


class _Addresses(UnstructuredHeader, BaseHeader):
    """A list of addresses of the web, each on a line of its own, whatever its length: else one that is longer than a
    line would be written as an encoded word, in which no mailbox provider finds it."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {str(self).replace(', ', f',{policy.linesep} ')}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("List-Unsubscribe", _Addresses)
_POLICY = SMTP.clone(header_factory=_HEADERS)


class Server(NamedTuple):
    """Where mail is handed in. `tls`: from the first byte on; else it is asked for by STARTTLS, and must be had unless
    the server is on this machine."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None

    @property
    def is_here(self) -> bool:
        return self.host in ("localhost", "127.0.0.1", "::1")


def server_of(settings: Settings) -> Server | None:
    """The server of TASUKI_SMTP_URL, which the settings have checked; None where none is set."""
    if settings.smtp_url is None:
        return None
    parts = urlsplit(settings.smtp_url.get_secret_value())
    tls = parts.scheme == "smtps"
    user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    return Server(str(parts.hostname), parts.port or (465 if tls else 587), tls, user, password)


def message_of(
    rendered: Rendered, sender: Sender, to: str, language: Language, mail_id: str, now: datetime
) -> EmailMessage:
    """The mail. Its Message-ID follows from `mail_id`: who gets it twice can tell."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = _address(sender.email, sender.organisation.to(language))
    message["To"] = _address(to)
    message["Subject"] = rendered.subject or ""
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id_of(sender, mail_id)
    for name, value in rendered.headers.items():
        message[name] = value
    message.set_content(rendered.body + "\n")
    return message


def _address(email: str, name: str = "") -> Address:
    """In its parts: as a whole it would have to be ASCII."""
    user, _, host = email.rpartition("@")
    return Address(name, user, host)


def message_id_of(sender: Sender, mail_id: str) -> str:
    """What names the mail for whoever gets it."""
    return f"<{mail_id}@{sender.email.rpartition('@')[2]}>"


class Post:
    """Hands mails to one server. Nothing of the mail, nor of the server's address, is logged."""

    def __init__(self, server: Server, context: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._context = context or ssl.create_default_context()

    async def send(self, message: EmailMessage) -> None:
        """Returns when the server has taken the mail. Raises MailRefused, MailUncertain."""
        await asyncio.to_thread(self._send, message)

    def _send(self, message: EmailMessage) -> None:
        try:
            smtp = self._connected()
        except (OSError, smtplib.SMTPException) as error:
            raise MailRefused(f"the mail server does not let us in ({type(error).__name__})", lasting=False) from error
        try:
            _hand_over(smtp, message)
            with suppress(OSError, smtplib.SMTPException):  # it has the mail, whatever it says now
                smtp.quit()
        finally:
            smtp.close()

    def _connected(self) -> smtplib.SMTP:
        host, port, tls, user, password = self._server
        if tls:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=self._context)
        else:
            smtp = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
        try:
            smtp.ehlo()
            if not tls and (smtp.has_extn("starttls") or not self._server.is_here):
                smtp.starttls(context=self._context)
                smtp.ehlo()
            if user is not None:
                smtp.login(user, password or "")
        except BaseException:
            smtp.close()
            raise
        return smtp


def _hand_over(smtp: smtplib.SMTP, message: EmailMessage) -> None:
    sender, to = (message[name].addresses[0].addr_spec for name in ("From", "To"))
    international = not f"{sender}{to}".isascii()
    if international and not smtp.has_extn("smtputf8"):
        raise MailRefused("the mail server takes no addresses with letters beyond ASCII", lasting=True)
    try:
        options = ["SMTPUTF8", "BODY=8BITMIME"] if international else []
        _require(smtp.mail(sender, options), "the sender's address", 250)
        _require(smtp.rcpt(to), "the recipient's address", 250, 251)
    except (OSError, smtplib.SMTPException) as error:  # as long as no mail was handed over, none was taken
        raise MailRefused("the mail server broke off", lasting=False) from error
    try:
        answer = smtp.data(message.as_bytes(policy=SMTPUTF8 if international else SMTP))
    except smtplib.SMTPDataError as error:
        answer = (error.smtp_code, b"")
    except (OSError, smtplib.SMTPException) as error:
        raise MailUncertain from error
    _require(answer, "the mail", 250)


def _require(answer: tuple[int, bytes], what: str, *good: int) -> None:
    code = answer[0]
    if code not in good:
        raise MailRefused(f"the mail server has refused {what} ({code})", lasting=code >= 500)

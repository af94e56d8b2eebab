"""Mails that outreach hands to a real SMTP server, which does what servers do: takes, refuses, breaks off."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.policy import SMTPUTF8, default
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import ValidationError

from services.outreach.content import OptOut, Sender
from services.outreach.mail import headers
from services.outreach.render import Rendered
from services.outreach.smtp import Post, Server, message_of, server_of
from shared.events import ContentUsed, Touch
from shared.settings import Settings
from shared.words import Words
from tests.outreach.desk import NOW, Desk, Response, consent, running

USER = LoginPassword(b"tasuki", b"s3cret:/@")


class MailServer:
    """What aiosmtpd asks when a mail comes, and what it took."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.says: dict[str, str] = {}
        self.breaks_off = False

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.says.get("RCPT", "250 OK")

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.recipients += envelope.rcpt_tos
        if self.breaks_off:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return self.says.get("DATA", "250 OK")


def authenticator(_server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=mechanism in ("LOGIN", "PLAIN") and data == USER)


@pytest.fixture
def mail_server() -> MailServer:
    return MailServer()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest_asyncio.fixture
async def server(mail_server: MailServer, authority: trustme.CA) -> AsyncIterator[tuple[Server, ssl.SSLContext]]:
    """A server that wants STARTTLS and a login, and a context that trusts it."""
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(own)

    def made() -> SMTP:
        return SMTP(
            mail_server,
            hostname="localhost",
            tls_context=own,
            require_starttls=True,
            authenticator=authenticator,
            auth_required=True,
            enable_SMTPUTF8=True,
        )

    listening = await asyncio.get_running_loop().create_server(made, "localhost", 0)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    port: int = listening.sockets[0].getsockname()[1]
    yield Server("localhost", port, False, USER.login.decode(), USER.password.decode()), trusting
    listening.close()
    await listening.wait_closed()


@pytest_asyncio.fixture
async def desk(database_url: str, tmp_path: Path, server: tuple[Server, ssl.SSLContext]) -> AsyncIterator[Desk]:
    async with running(database_url, tmp_path, Post(*server)) as made:
        await made.lead(last_name="山田", company_name="株式会社例", email="yamada@example.co.jp")
        yield made


async def send(desk: Desk, template: str = "first-mail", key: str | None = None, **more: Any) -> Response:
    body = {"lead_id": "L1", "rep": "tanaka"} | more
    headers = {"Idempotency-Key": key} if key else {}
    return await desk.call("POST", f"/v1/templates/{template}/send", body, headers=headers)


def slug(answer: Response) -> str:
    return str(answer.body["type"]).rpartition(":")[2]


async def test_the_mail_arrives_whole_and_is_told(desk: Desk, mail_server: MailServer) -> None:
    answer = await send(desk)
    assert answer.status == 200, answer
    (mail,) = mail_server.taken
    text = await desk.render("first-mail")
    assert mail_server.recipients == ["yamada@example.co.jp"]
    assert mail["Subject"] == text["subject"] == "株式会社例様へのご案内"
    assert mail.get_content().replace("\r\n", "\n").rstrip() == text["body"]
    assert str(mail["From"]) == "株式会社たすき <sales@tasuki.example.co.jp>"
    assert mail["To"] == "yamada@example.co.jp"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Unsubscribe"].replace("\r\n", "") == text["headers"]["List-Unsubscribe"]
    assert mail["Message-ID"] == answer.body["message_id"] == f"<{answer.body['mail_id']}@tasuki.example.co.jp>"
    touch, use = await desk.told()
    assert (touch.name, touch.subject, touch.time) == ("touch", "L1", NOW)
    assert touch.data == Touch(channel="email", direction="outbound", rep="tanaka", outcome="sent")
    assert isinstance(use.data, ContentUsed)
    assert (use.id, use.data.content) == (answer.body["mail_id"], "first-mail")


def test_the_way_to_unsubscribe_is_plain_however_long_it_is() -> None:
    sender = Sender(
        organisation=Words("株式会社例", "Example"),
        address=Words("東京都", "Tokyo"),
        email="sales@example.co.jp",
        opt_out=OptOut(email="stop@example.co.jp", url="https://tasuki.example.co.jp/opt-out"),
    )
    for lead_id in (str(uuid4()), "crm:" + "7" * 196):
        told = headers(sender, lead_id)
        rendered = Rendered("件名" * 60, "本文", [], told, None)
        message = message_of(rendered, sender, "a@example.co.jp", "ja", "m-1", NOW)
        for policy in (SMTP_POLICY, SMTPUTF8):
            raw = message.as_bytes(policy=policy)
            assert f"List-Unsubscribe: {told['List-Unsubscribe']}".encode() in raw.replace(b"\r\n ", b" ")
            assert max(map(len, raw.split(b"\r\n"))) < 998
    subject = message.as_bytes(policy=SMTP_POLICY).partition(b"Subject:")[2].partition(b"Date:")[0]
    assert max(map(len, subject.split(b"\r\n"))) <= 78


async def test_all_checks_of_rendering_hold(desk: Desk, mail_server: MailServer) -> None:
    assert (await send(desk, "nothing")).status == 404
    assert slug(await send(desk, "cxo-letter")) == "not-a-mail"
    assert slug(await send(desk, "inquiry-reply")) == "values-missing"
    await desk.lead("L2", last_name="佐藤", company_name="B社")
    assert (await send(desk, lead_id="L2")).body["missing"] == ["email"]
    await desk.lead("L3", email="c@example.co.jp")
    assert (await send(desk, lead_id="L3")).body["missing"] == ["company_name"], "no mail shows a mark"
    await desk.deliver(consent("L1", out=True, minutes=1))
    assert slug(await send(desk)) == "contact-not-allowed"
    assert mail_server.taken == []
    assert await desk.told() == []


async def test_a_repeated_request_sends_once(desk: Desk, mail_server: MailServer) -> None:
    first = await send(desk, key="k")
    await send(desk, key="another")
    await desk.rows("delete from access.idempotency")  # the answer was lost with its process
    await desk.deliver(consent("L1", out=True, minutes=1))
    again = await send(desk, key="k")
    assert (again.status, again.body) == (200, first.body), "it was sent before, whatever was told meanwhile"
    assert len(mail_server.taken) == 2
    assert len(await desk.told()) == 4
    assert (await send(desk, key="a third")).status == 409


async def test_an_address_may_have_letters_beyond_ascii(desk: Desk, mail_server: MailServer) -> None:
    await desk.lead("L2", last_name="田中", company_name="B社", email="田中@例え.jp")
    answer = await send(desk, lead_id="L2")
    assert answer.status == 200, answer
    assert mail_server.recipients == ["田中@例え.jp"]


@pytest.mark.parametrize("address", ["営業@tasuki.example.co.jp", "sales@例え.jp"])
async def test_and_so_may_that_of_the_sender(desk: Desk, mail_server: MailServer, address: str) -> None:
    file = desk.content / "sender.yaml"
    told = file.read_text(encoding="utf-8").replace("email: sales@tasuki.example.co.jp", f"email: {address}")
    file.write_text(told, encoding="utf-8")
    desk.folder.look()
    answer = await send(desk)
    assert answer.status == 200, answer
    (mail,) = mail_server.taken
    assert answer.body["message_id"].endswith(f"@{address.rpartition('@')[2]}>")
    assert f"メール：{address}" in mail.get_content()


async def test_what_nobody_can_know_is_said_and_not_repeated(desk: Desk, mail_server: MailServer) -> None:
    mail_server.breaks_off = True
    lost = await send(desk, key="k")
    assert (lost.status, slug(lost)) == (409, "mail-uncertain")
    mail_server.breaks_off = False
    await desk.rows("delete from access.idempotency")
    assert slug(await send(desk, key="k")) == "mail-uncertain"
    assert len(mail_server.taken) == 1, "the server had it, in this case"
    assert await desk.told() == []


@pytest.mark.parametrize("where", ["RCPT", "DATA"])
@pytest.mark.parametrize(("code", "status"), [(450, 503), (550, 422)])
async def test_a_refused_mail_is_told_and_may_be_tried_again(
    desk: Desk, mail_server: MailServer, where: str, code: int, status: int
) -> None:
    mail_server.says[where] = f"{code} not now"
    refused = await send(desk, key="k")
    assert refused.status == status
    assert ("retry-after" in refused.headers) == (status == 503)
    assert await desk.told() == []
    mail_server.says.clear()
    if status == 503:
        assert (await send(desk, key="k")).status == 200
        assert len(await desk.told()) == 2


async def test_a_server_that_is_away_loses_nothing(
    database_url: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    nobody = Server("localhost", free_port(), False, None, None)
    async with running(database_url, tmp_path, Post(nobody)) as desk:
        await desk.lead(company_name="株式会社例", email="yamada@example.co.jp")
        assert (await send(desk, key="k")).status == 503
        assert [r["state"] for r in await desk.rows("select state from outreach.mails")] == ["refused"]


async def test_a_wrong_login_or_certificate_sends_nothing(
    database_url: str, tmp_path: Path, server: tuple[Server, ssl.SSLContext], mail_server: MailServer
) -> None:
    right, trusting = server
    for number, post in enumerate((Post(right._replace(password="x"), trusting), Post(right))):
        async with running(database_url, tmp_path / str(number), post) as desk:
            await desk.lead(company_name="株式会社例", email="yamada@example.co.jp")
            answer = await send(desk)
            assert answer.status == 503
            assert "tasuki" not in answer.body["detail"]
    assert mail_server.taken == []


async def test_without_a_server_it_is_said_what_to_set(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as desk:
        answer = await send(desk)
        assert (answer.status, slug(answer)) == (409, "smtp-not-configured")
        assert "TASUKI_SMTP_URL" in answer.body["detail"]


def test_the_address_of_the_server() -> None:
    url = "smtps://tasuki:s3cret%3A%2F%40@mail.example.co.jp"
    settings = Settings(smtp_url=url)
    assert server_of(settings) == Server("mail.example.co.jp", 465, True, "tasuki", "s3cret:/@")
    assert server_of(Settings(smtp_url="smtp://mail.example.co.jp:25")) == Server(
        "mail.example.co.jp", 25, False, None, None
    )
    assert "s3cret" not in repr(settings)
    for wrong in ("mail.example.co.jp", "http://mail", "smtp://", "smtp://h:x", "smtp://h/x", "smtp://h?x=1"):
        with pytest.raises(ValidationError):
            Settings(smtp_url=wrong)

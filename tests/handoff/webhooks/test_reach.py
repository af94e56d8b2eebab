"""Whom a delivery reaches: addresses that are allowed, by TLS whom the certificate names, and nobody else."""

import ssl
from contextlib import ExitStack
from datetime import timedelta

import pytest
import trustme

from services.handoff.webhooks.endpoints import allowed_for
from shared.safe_http import Fetcher, read_networks
from tests.connections import watched_connections
from tests.handoff.desk import Desk
from tests.handoff.webhooks import telling as own
from tests.handoff.webhooks.telling import Telling, standard, telling
from tests.website import Website, answer


def resolving(office: Telling, *addresses: str, tls: ssl.SSLContext | None = None, private: str = "") -> None:
    """Have the endpoint's name lead to these addresses."""

    async def names(_host: str) -> list[str]:
        return list(addresses)

    for id_, endpoint in office.endpoints.items():
        allowed = allowed_for(endpoint.url, read_networks(private))
        office.fetchers[id_] = Fetcher(allowed, "tests/1", resolve=names, tls=tls, whom="the endpoint")


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"], ["::1"], ["::ffff:127.0.0.1"]],
)
async def test_no_connection_leaves_for_a_name_that_leads_inward(desk: Desk, addresses: list[str]) -> None:
    office = await telling(desk, standard("https://crm.acme.co.jp/hook"), private=())
    resolving(office, *addresses)
    await desk.hand_over(await desk.ready_lead("L1"))
    with watched_connections() as begun:
        assert await office.send() == 1
    assert begun == []
    row = await office.row()
    assert (row["status"], row["answer"]) == ("pending", None)
    assert "not public, or not allowed; see TASUKI_WEBHOOK_PRIVATE_NETWORKS" in row["reason"]


async def test_what_is_not_encrypted_never_leaves_the_own_networks(desk: Desk) -> None:
    office = await telling(desk, standard("http://crm.lan/hook"), private=read_networks("10.0.0.0/8"))
    resolving(office, "93.184.215.14", private="10.0.0.0/8")
    await desk.hand_over(await desk.ready_lead("L1"))
    with watched_connections() as begun:
        assert await office.send() == 1
    assert begun == []
    assert "not public, or not allowed" in (await office.row())["reason"]


async def test_over_tls_it_reaches_who_the_certificate_names_and_nobody_else(desk: Desk) -> None:
    authority = trustme.CA()
    served, trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("crm.acme.co.jp").configure_cert(served)
    authority.configure_trust(trusted)
    with ExitStack() as stack:
        site = stack.enter_context(Website({"/hook": answer()}, served))
        office = await telling(desk, standard(f"https://crm.acme.co.jp:{site.port}/hook", allow_insecure=False))
        await desk.hand_over(await desk.ready_lead("L1"))
        resolving(office, "127.0.0.1", private="127.0.0.1")
        await office.send()
        assert "certificate" in (await office.row())["reason"], "an authority that nobody knows"
        assert site.bodies == []
        desk.clock.at += timedelta(minutes=1)
        resolving(office, "127.0.0.1", tls=trusted, private="127.0.0.1")
        await office.send()
        assert (await office.row())["status"] == "delivered"
        assert own.headers_of(site.requests[0])["host"] == f"crm.acme.co.jp:{site.port}"
        other = await telling(desk, standard(f"https://other.acme.co.jp:{site.port}/hook", allow_insecure=False))
        resolving(other, "127.0.0.1", tls=trusted, private="127.0.0.1")
        await desk.hand_over(await desk.ready_lead("L2"))
        await other.send()
        assert len(site.bodies) == 1, "a certificate of another name"

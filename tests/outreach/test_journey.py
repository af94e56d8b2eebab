"""A lead through the running system: written to by its consent, counted, shown to sales, left alone when it says so."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.client import Client, Conflict, Gone, Invalid, NotFound, Operation, handoff, ingest, metrics, outreach
from shared.settings import SERVICES
from tests.conftest import copy_folder, private_folder
from tests.outreach.desk import CONTENT, ROOT
from tests.system import System, until


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("config") / "config"
    shutil.copytree(ROOT / "config", folder)
    shutil.rmtree(folder / "outreach")
    shutil.copytree(CONTENT, folder / "outreach")
    return folder


@pytest.fixture(scope="module")
def system(prepared_folder: Path, free_port: Callable[[], int], config: Path) -> Iterator[System]:
    """All services, with content of our own."""
    with private_folder() as folder:
        copy_folder(prepared_folder, folder / "data")
        environment = {"TASUKI_CONFIG_DIR": str(config)}
        with System(folder / "data", free_port, environment, services=SERVICES) as running:
            yield running


@pytest.fixture
def tasuki(system: System) -> Iterator[Client]:
    with Client(system.url, system.key) as client:
        yield client


def knows(tasuki: Client, lead_id: str) -> bool:
    try:
        tasuki.send(outreach.case_studies(lead_id=lead_id))
    except NotFound:
        return False
    return True


def refused(tasuki: Client, lead_id: str, asked: Operation[Any] | None = None) -> bool:
    """Whether a text for the lead is refused: a mail, unless another is asked for."""
    try:
        tasuki.send(asked or outreach.render("first-mail", lead_id, rep="tanaka"))
    except Conflict as conflict:
        return conflict.slug == "contact-not-allowed"
    return False


def tell(tasuki: Client, lead_id: str, what: str, **body: Any) -> None:
    tasuki.send(Operation("ingest", "POST", f"/v1/leads/{lead_id}/{what}", dict[str, Any], body))


def test_from_the_form_to_the_erasure(tasuki: Client, system: System) -> None:
    fields = {"email": "mei@example.co.jp", "last_name": "山田", "company_name": "株式会社例", "industry": "倉庫"}
    lead_id = tasuki.send(ingest.submit_lead(fields)).lead_id
    until(lambda: knows(tasuki, lead_id))
    assert refused(tasuki, lead_id), "nobody has said on what basis it may be written to"

    tell(tasuki, lead_id, "consent", basis="consent", evidence="電話のみ", channels=["call", "sns_dm"])
    until(lambda: not refused(tasuki, lead_id, outreach.render_snippet("schedule", lead_id, rep="t", channel="sns_dm")))
    assert refused(tasuki, lead_id), "who agreed to be called has not agreed to be mailed"
    tell(tasuki, lead_id, "consent", basis="consent", evidence="フォームで同意")
    until(lambda: not refused(tasuki, lead_id))
    with pytest.raises(Invalid) as missing:
        tasuki.send(outreach.render("inquiry-reply", lead_id, rep="tanaka"))
    assert missing.value.slug == "values-missing"
    text = tasuki.send(
        outreach.render("inquiry-reply", lead_id, rep="tanaka", values={"answer": "はい"}, record=True).keyed("k")
    )
    assert text.subject == "株式会社例様のお問い合わせ"
    assert text.use is not None
    first = tasuki.send(outreach.case_studies(lead_id=lead_id)).items[0]
    assert (first.id, [why["en"] for why in first.why]) == ("warehouse", ["Same industry (Logistics and transport)"])
    tasuki.send(outreach.use(lead_id, rep="tanaka", kind="case_study", content=first.id, channel="email"))

    day = text.use.used_at.date()
    question = metrics.values("content_uses", grain="all", by=["rep", "channel"])
    until(lambda: [row["value"] for row in tasuki.send(question).rows] == [2], why=lambda: str(day))
    assert tasuki.send(metrics.status()).dead_lettered == 0
    package = tasuki.send(handoff.hand_over(lead_id, rep="tanaka", reason="x", override="test"))
    assert {a["content"] for a in package.history if a["type"] == "content-used"} == {"inquiry-reply", "warehouse"}

    tell(tasuki, lead_id, "consent", basis="consent", evidence="電話", opted_out_at=text.use.used_at)
    until(lambda: refused(tasuki, lead_id))
    tell(tasuki, lead_id, "erase", reason="ご本人の希望")

    def gone() -> bool:
        try:
            tasuki.send(outreach.case_studies(lead_id=lead_id))
        except Gone:
            return True
        return False

    until(gone)
    assert "mei@example" not in system.output()
    assert "山田" not in system.output()


def test_an_edit_shows_without_a_restart(tasuki: Client, config: Path) -> None:
    path = config / "outreach" / "talks" / "connect-user.md"
    path.write_text(path.read_text().replace("電話とつなぐ", "電話と記録をつなぐ"))
    until(lambda: tasuki.send(outreach.talk("connect-user")).label["ja"] == "電話と記録をつなぐ", within=20)


def test_content_that_is_wrong_stops_the_start(
    system: System, config: Path, tmp_path: Path, free_port: Callable[[], int], empty_data_dir: Path
) -> None:
    shutil.copytree(config, tmp_path / "config")
    (tmp_path / "config" / "outreach" / "talks" / "connect-user.md").write_text("---\nlabel: x\n---\n")
    broken = System(empty_data_dir, free_port, {"TASUKI_CONFIG_DIR": str(tmp_path / "config")}, services=["outreach"])
    broken.launch()
    assert broken.process.wait(120) == 1
    assert "talks/connect-user.md:2: " in broken.output()

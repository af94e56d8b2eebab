"""Jotform."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from hypothesis import given as any_of

from services.ingest.providers import Form
from tests.ingest.door import Door
from tests.ingest.providers.bent import bent, examples, read
from tests.ingest.providers.provider_contract import Posted, ProviderContract, given, given_json, lead_values, only

MULTIPART = "multipart/form-data; boundary=limit"
ANSWERS: dict[str, Any] = {
    "slug": "submit/1",
    "q3_fullName": {"first": "芽衣", "last": "山田"},
    "q4_email": "mei@acme.co.jp",
    "q5_phoneNumber": {"area": "03", "phone": "1234-5678"},
    "q6_company": "株式会社アクメ",
    "q7_size": "350",
    "timeToSubmit": "3",
    "brochure": ["https://www.jotform.com/uploads/a/1/b.pdf"],
}


def multipart(**values: str) -> bytes:
    parts = [f'--limit\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in values.items()]
    return ("".join(parts) + "--limit--\r\n").encode()


class TestJotform(ProviderContract):
    provider = "jotform"
    signs = signs_time = False
    settings: ClassVar = {"fields": {"company": "company_name", "q7_size": "employees"}}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        answers = ANSWERS | {f"q9_{name}": value for name, value in change.items()}
        body = multipart(formID="1", submissionID="6084250982513018472", rawRequest=json.dumps(answers), ip="192.0.2.1")
        return Posted(body, {"Content-Type": MULTIPART}, {"secret": secret})

    def unmapped(self, secret: str, at_s: float) -> Posted:
        posted = self.valid(secret, at_s, {"shoe_size": 42})
        return posted._replace(body=posted.body.replace(b"q9_shoe_size", b"q9_.shoe_size"))

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return posted._replace(body=body)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        lead = (await door.get(f"/v1/leads/{receipt['lead_id']}")).json()
        assert lead_values(lead) == {
            "email": "mei@acme.co.jp",
            "first_name": "芽衣",
            "last_name": "山田",
            "phone": "+81312345678",
            "company_name": "株式会社アクメ",
            "employees": 350,
        }
        page = (await door.get(f"/v1/leads/{receipt['lead_id']}/observations")).json()
        assert [item["name"] for item in page["unmapped"]] == ["brochure"]


def test_the_given_submission() -> None:
    headers = given_json("jotform/submission.captured_redacted.multipart.headers.json")["headers"]
    body = given("jotform/submission.captured_redacted.multipart.body")
    form = only(read("jotform", body, headers["content-type"]), Form)
    assert form.id == "6084250982513018472"
    assert form.values["q3_studentsName"] == {"first": "Niloth", "last": "P"}
    assert form.also["q3_studentsName.first"] == ["studentsName.first", "first_name"]
    assert form.also["q3_studentsName.last"] == ["studentsName.last", "last_name"]
    assert form.values["q33_typeOf"] == "Online Tutoring"
    assert form.values["q35_grade"] == "12"
    assert form.values["reports"][0].endswith("Report%20Card.pdf")
    assert not {"slug", "jsExecutionTracker", "timeToSubmit", "buildDate", "path"} & form.values.keys()


def test_a_telephone_in_one_part() -> None:
    body = json.dumps({"submissionID": "1", "rawRequest": {"q5_phoneNumber": {"full": "03-1234-5678"}}}).encode()
    assert only(read("jotform", body), Form).values == {"q5_phoneNumber": "03-1234-5678"}


def test_a_telephone_abroad() -> None:
    phone = {"country": "+1", "area": "650", "phone": "253-0000"}
    body = json.dumps({"submissionID": "1", "rawRequest": {"q5_phoneNumber": phone}}).encode()
    assert only(read("jotform", body), Form).values == {"q5_phoneNumber": "+1 650 253-0000"}


@examples
@any_of(bent({"submissionID": "1", "rawRequest": ANSWERS}))
def test_any_form(body: Any) -> None:
    read("jotform", json.dumps(body).encode())
    read("jotform", multipart(submissionID="1", rawRequest=json.dumps(body)), MULTIPART)

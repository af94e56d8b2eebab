"""LinkedIn lead gen forms: HMAC over the body; a notice tells which response to fetch from the Lead Sync API."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import httpx

from services.ingest.providers.base import (
    Access,
    Delivery,
    Form,
    Nothing,
    Payload,
    Provider,
    Reply,
    Thin,
    Unusable,
    Verdict,
    is_same,
)
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.fetching import get_object
from services.ingest.providers.reading import id_of, in_order, list_of, object_at, objects_in, text_of, time_of
from services.ingest.providers.signatures import by_any, hex_hmac

API = "https://api.linkedin.com/rest"
VERSION = "202606"
"""Of the API, a month; LinkedIn keeps each for at least a year."""
PREFIX = "hmacsha256="
_FIELDS = "id,submittedAt,testLead,leadType,formResponse,form:(hiddenFields,name,id,content)"
_CODE = re.compile(r"[0-9A-Za-z-]{1,100}")


class LinkedIn(Provider):
    """A value is named by the question's predefined field (`EMAIL`), its name, its words, or its id."""

    media_types = frozenset({JSON})
    names: ClassVar = {
        "WORK_EMAIL": "email",
        "EMAIL": "email",
        "FIRST_NAME": "first_name",
        "LAST_NAME": "last_name",
        "PHONE_NUMBER": "phone",
        "WORK_PHONE_NUMBER": "phone",
        "COMPANY_NAME": "company_name",
        "JOB_TITLE": "title",
        "INDUSTRY": "industry",
    }

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        """By the documentation the signed text begins with `hmacsha256=`; in practice it also is the body alone, with
        the prefix before the signature."""
        signature = delivery.headers.get("x-li-signature", "").removeprefix(PREFIX)
        readings = (PREFIX.encode() + delivery.body, delivery.body)
        return by_any(secrets, lambda s: any(is_same(signature, hex_hmac(s, text)) for text in readings))

    def answer_get(self, query: Mapping[str, str], secrets: Sequence[str], verify_token: str | None) -> Reply | None:
        """The code, signed. Only what can be no body of a delivery is signed: else this would sign forged ones."""
        code = query.get("challengeCode", "")
        if not secrets or not _CODE.fullmatch(code):
            return None
        return Reply({"challengeCode": code, "challengeResponse": hex_hmac(secrets[0], code.encode())})

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        if body.get("type") != "LEAD_ACTION" or body.get("leadAction") != "CREATED":
            return Payload(entries=[Nothing(reason="is no new lead", raw=body)])
        response = id_of(body.get("leadGenFormResponse"))
        at = text_of(body.get("occurredAt"))
        if response is None or at is None:
            raise Unusable("leadGenFormResponse or occurredAt is missing")
        reference = {"response": response, "at": body.get("occurredAt")}
        return Payload(entries=[Thin(id=f"{response} CREATED {at}"[:300], reference=reference, raw=body)])

    async def fetch(self, client: httpx.AsyncClient, reference: Mapping[str, Any], access: Access) -> Form | Nothing:
        id_ = str(reference["response"]).rpartition(":")[2]
        lead = await get_object(
            client,
            access,
            API,
            f"/leadFormResponses/{quote(id_, safe='')}?fields={_FIELDS}",  # its parentheses must not be encoded
            headers={"LinkedIn-Version": VERSION, "X-Restli-Protocol-Version": "2.0.0"},
        )
        if lead.get("testLead") is True:
            return Nothing(reason="is a test lead of LinkedIn")
        values: dict[str, Any] = {}
        also: dict[str, Sequence[str]] = {}
        for name, value, further in _answers(lead):
            values.setdefault(name, value)
            also.setdefault(name, further)
        if not values:
            raise Unusable("the response has no answers")
        hidden = {
            text_of(h.get("name")): h.get("value") for h in objects_in(object_at(lead, "form").get("hiddenFields"))
        }
        return Form(
            values=in_order(self.names, {name: value for name, value in hidden.items() if name} | values),
            raw=lead,
            external_id=f"linkedin:{id_}",
            observed_at=time_of(lead.get("submittedAt")) or time_of(reference.get("at")),
            also=also,
        )


def _answers(lead: dict[str, Any]) -> Iterator[tuple[str, Any, Sequence[str]]]:
    """Name, value and further names of each answer; the questions stand in the form."""
    asked = objects_in(object_at(lead, "form", "content").get("questions"))
    questions = {text_of(question.get("questionId")): question for question in asked}
    for answer in objects_in(object_at(lead, "formResponse").get("answers")):
        id_ = text_of(answer.get("questionId"))
        question = questions.get(id_, {})
        words = list(object_at(question, "question", "localized").values())
        said = [question.get("predefinedField"), answer.get("name"), question.get("name"), *words, id_]
        names = [name for name in map(text_of, said) if name]
        if names:
            yield names[0], _value(object_at(answer, "answerDetails"), question), names[1:]


def _value(details: dict[str, Any], question: dict[str, Any]) -> Any:
    """What was written, or the words of the options that were chosen."""
    if "textQuestionAnswer" in details:
        return object_at(details, "textQuestionAnswer").get("answer")
    known = object_at(question, "questionDetails", "multipleChoiceQuestionDetails").get("options")
    options = {text_of(o.get("id")): _words(o.get("text")) for o in objects_in(known)}
    chosen = list_of(object_at(details, "multipleChoiceAnswer").get("options"))
    return [options.get(text_of(option)) or option for option in chosen]


def _words(text: Any) -> Any:
    """A text that may be given in several languages."""
    return next(iter(object_at(text, "localized").values()), None) if isinstance(text, dict) else text

"""Google Ads lead forms: the key that the advertiser chose stands in the body."""

from collections.abc import Sequence
from typing import ClassVar

from services.ingest.providers.base import Aside, Delivery, Form, Payload, Provider, Unusable, Verdict, is_same
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.reading import id_of, in_order, objects_in, text_of, time_of
from services.ingest.providers.signatures import by_any

_OF_THE_AD = ("form_id", "campaign_id", "adgroup_id", "creative_id", "asset_group_id", "gcl_id", "lead_stage")


class GoogleAds(Provider):
    """A value is named by its column's id or name. `Send test data` ends in the quarantine."""

    media_types = frozenset({JSON})
    names: ClassVar = {
        "WORK_EMAIL": "email",
        "EMAIL": "email",
        "FIRST_NAME": "first_name",
        "LAST_NAME": "last_name",
        "PHONE_NUMBER": "phone",
        "WORK_PHONE": "phone",
        "COMPANY_NAME": "company_name",
        "JOB_TITLE": "title",
    }

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        if not secrets:
            return Verdict.GENUINE
        try:
            told = read_object(delivery.body).get("google_key")
        except Unusable:
            return Verdict.WRONG
        return by_any(secrets, lambda secret: isinstance(told, str) and is_same(told, secret))

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        if body.get("is_test"):
            return Payload(entries=[Aside(reason="is a test lead of Google Ads (`is_test`)", raw=body)])
        id_ = id_of(body.get("lead_id"))
        if id_ is None:
            raise Unusable("lead_id is missing")
        columns = {
            name: (column.get("string_value"), text_of(column.get("column_name")))
            for column in objects_in(body.get("user_column_data"))
            if (name := text_of(column.get("column_id")) or text_of(column.get("column_name")))
        }
        if not columns:
            raise Unusable("user_column_data holds no column with an id or a name")
        of_the_ad = {name: body[name] for name in _OF_THE_AD if name in body}
        form = Form(
            values=in_order(self.names, of_the_ad | {name: value for name, (value, _) in columns.items()}),
            raw=body,
            id=id_,
            external_id=f"google_ads:{id_}",
            observed_at=time_of(body.get("lead_submit_time")),
            also={name: [further] for name, (_, further) in columns.items() if further},
        )
        return Payload(entries=[form])

"""The package on one page, in Japanese or English, to read or print. Pure but for its template."""

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.handoff.package import Package
from services.handoff.words import RETURN_REASONS
from shared.config.glossary import Defined
from shared.events import Language, Observation
from shared.fields import FieldRegistry
from shared.money import Money
from shared.words import Words

HEADERS = {
    # what stands on the page comes from strangers: nothing of it may run or be fetched
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
MEDIA_TYPE = "text/html; charset=utf-8"

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_WORDS: dict[str, Words] = {
    "version": Words("バージョン", "version"),
    "glossary": Words("定義", "What the words mean"),
    "title": Words("営業への引き渡し", "Handed over to sales"),
    "why": Words("なぜこのリードか", "Why this lead"),
    "override": Words("条件を満たさないまま引き渡し", "Handed over although not ready"),
    "bant": Words("ヒアリング（BANT）", "Heard (BANT)"),
    "appointment": Words("アポイントの実際", "The appointment as it was really set"),
    "request": Words("引き渡し時", "with the handoff"),
    "activities": Words("活動の記録", "from activities"),
    "open": Words("まだ分かっていないこと", "Open questions"),
    "nothing_open": Words("なし", "None"),
    "fields": Words("リードについて分かっていること", "What is known of the lead"),
    "history": Words("接触履歴", "Contact history"),
    "content": Words("送付済みのコンテンツ", "Content already sent"),
    "none": Words("なし", "None"),
    "resubmitted": Words("差し戻し後の再引き渡し", "Handed over again after a return"),
    "changed": Words("前回から変わったこと", "What has changed since"),
    "outcome": Words("その後", "What came of it"),
    "against": Words("異なる発言", "Others said otherwise"),
    "unknown": Words("不明", "unknown"),
    "yes": Words("はい", "yes"),
    "no": Words("いいえ", "no"),
    "owner": Words("担当営業", "Owner"),
    "routed": Words("割り当ての理由", "Why this owner"),
    "given": Words("担当の変更", "Given to"),
    "overdue": Words("期限超過", "overdue"),
    "due": Words("回答期限", "Answer by"),
    "rep": Words("インサイドセールス", "Inside sales"),
    "segment": Words("セグメント", "Segment"),
    "policy": Words("ポリシー", "Policy"),
    "made": Words("引き渡し日時", "Handed over at"),
    "status": Words("状態", "Status"),
    "pending": Words("回答待ち", "pending"),
    "accepted": Words("受諾", "accepted"),
    "returned": Words("差し戻し", "returned"),
    "met": Words("満たす", "met"),
    "unmet": Words("満たさない", "unmet"),
    "confirmed": Words("確認済み", "confirmed"),
    "denied": Words("否定", "denied"),
    "assumed": Words("推測", "assumed"),
    "automatic": Words("自動", "automatic"),
}


def page(
    package: Package, glossary: Sequence[Defined], registry: FieldRegistry, zone: tzinfo, language: Language
) -> str:
    """The page as HTML, with what the words mean at its end. What is unknown says so; times are of the business
    time zone."""
    template = _TEMPLATES.get_template("page.html")
    return template.render(
        p=package,
        glossary=glossary,
        language=language,
        w=lambda name: _WORDS[name].to(language),
        returned_because=lambda reason: RETURN_REASONS[reason].to(language),
        said=lambda words: words.to(language),
        label=_labels(registry, language),
        time=lambda moment: _time(moment, zone, language),
        value=lambda observation: _value(observation, language),
        plain=lambda raw: _plain(raw, language),
        about=about,
    )


def about(activity: dict[str, Any]) -> str:
    """An activity in one line: its words, without what every line has."""
    aside = ("type", "occurred_at", "source", "id")
    told = [f"{name}: {value}" for name, value in activity.items() if name not in aside and value not in (None, "")]
    return ", ".join(told)


def _labels(registry: FieldRegistry, language: Language) -> Callable[[str], str]:
    return lambda field: registry.get(field).label.to(language) if field in registry else field


def _time(moment: datetime | None, zone: tzinfo, language: Language) -> str:
    if moment is None:
        return _WORDS["unknown"].to(language)
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def _value(observation: Observation | None, language: Language) -> str:
    """What was said: a status by its word, else the value."""
    if observation is None:
        return _WORDS["unknown"].to(language)
    status = observation.status
    shown = [_WORDS[status].to(language)] if status in _WORDS else []
    if observation.value is not None:
        shown.append(_plain(observation.value, language))
    return ": ".join(shown) or _WORDS["unknown"].to(language)


def _plain(raw: Any, language: Language) -> str:
    if raw is None:
        return _WORDS["unknown"].to(language)
    if isinstance(raw, bool):
        return _WORDS["yes" if raw else "no"].to(language)
    if isinstance(raw, Money):
        return f"{raw.value} {raw.currency}"
    return ", ".join(map(str, raw)) if isinstance(raw, list) else str(raw)

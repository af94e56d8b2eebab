"""Where in time a KPI is looked at that does not add up what falls into a period: stocks and trailing means. Pure."""

from collections.abc import Iterator
from datetime import date

import msgspec

from services.metrics.question import Question
from shared.periods import Period, period_of, periods_between


def last_day(question: Question, today: date) -> date:
    """The day at whose end the last period is looked at: that of `to`, or today, whichever is first."""
    return min(question.to_day or today, today)


def stretches(question: Question, first: date, today: date, fiscal_year_start: int) -> Iterator[tuple[Period, date]]:
    """Each period from the first event on that is asked for, and the day at whose end it is looked at; of days since
    1900 there are 46,000, so they are told one by one."""
    end = last_day(question, today)
    begin = max(first, question.from_day or first)
    for period in periods_between(begin, end, question.grain, fiscal_year_start):
        yield period, min(period.last, end)


def weeks_until(end: date, weeks: int) -> tuple[date, date]:
    """First and last day of the last whole ISO weeks that ended on or before a day."""
    last = end.toordinal() - end.isoweekday() % 7
    return _day(last - 7 * weeks + 1), _day(last)


def _day(ordinal: int) -> date:
    """The day; the first of the calendar for what would lie before it."""
    return date.fromordinal(max(ordinal, 1))


def from_the_beginning(question: Question, fiscal_year_start: int) -> Question:
    """The question from the first day of the period in which it begins."""
    if question.from_day is None:
        return question
    first = period_of(question.from_day, question.grain, fiscal_year_start).first
    return msgspec.structs.replace(question, from_day=first)

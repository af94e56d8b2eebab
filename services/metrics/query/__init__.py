"""Answers questions about KPIs from the cells."""

from services.metrics.query.answer import Asker

__all__ = ["Asker"]

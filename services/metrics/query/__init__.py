"""Answers questions about KPIs from the cells."""

from services.metrics.query.answer import Asker
from services.metrics.query.memory import Memory

__all__ = ["Asker", "Memory"]

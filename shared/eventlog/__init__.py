"""The log of events: one port (`port.py`), adapters beside it."""

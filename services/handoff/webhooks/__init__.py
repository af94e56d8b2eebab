"""Telling tools of sales what happens: webhooks out (docs/webhooks.md).

`deliveries.py` is the SQL: a row for each event and endpoint, written by whoever makes the event, in its transaction.
`worker.py` sends them, with what `content.py` makes of them: `standard.py`, `slack.py`. `schedule.py` says when one is
tried again.
`endpoints.py` knows addresses and secrets, `handlers.py` answers operators.
"""

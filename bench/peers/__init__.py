"""Tasuki's metrics service beside what most would take instead, on one Kafka and the same calls.

Every peer is a process of its own and told when to begin, so that all are measured from outside in the same way: time
and CPU from the start of its consumer, with everything imported, until it says that the last event is committed.
"""

"""The numbers: consuming, growth, rebuilding, answering and memory of the metrics service.

The service is the real process on a PostgreSQL of its own, fed through the log and asked over HTTP: nothing here knows
how it stores. Each figure stands beside a floor or a must; who was busy meanwhile tells what limits it.
"""

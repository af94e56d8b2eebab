"""Growth: what the metrics service costs with ten times the events, leads, reps, KPIs or partitions.

One of them grows and everything else stays; each size has a PostgreSQL of its own, and the size of the base is measured
anew beside each that grew, so that a day on which the machine is slow bears on both.
"""

"""Shows that the live numbers are right: counts everything again from the log by other means, and compares."""

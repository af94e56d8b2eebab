"""A week of an invented team, told to a running Tasuki through its public API."""

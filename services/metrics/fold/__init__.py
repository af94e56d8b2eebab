"""Takes batches of events into the numbers."""

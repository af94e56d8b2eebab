"""ingest: takes facts in at the door, knows who is the same lead, and tells the log."""

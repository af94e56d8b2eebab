"""CSV files of leads: stored as they come, then taken row by row, from where it was after a crash."""

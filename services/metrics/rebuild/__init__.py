"""Makes all numbers anew beside those that are shown."""

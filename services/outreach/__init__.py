"""The outreach service: gives reps the right text for a lead, and keeps to what the lead has agreed to."""

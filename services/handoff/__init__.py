"""The handoff service: decides when a lead is ready for sales, hands it over, and keeps its stages."""

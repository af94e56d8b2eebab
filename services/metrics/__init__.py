"""The metrics service: every KPI as the sum of what each lead contributes, exact whatever order events come in."""

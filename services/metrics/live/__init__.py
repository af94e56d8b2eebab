"""The current values of all KPIs, for Prometheus and for whoever follows them."""

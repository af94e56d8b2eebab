"""What KPIs there are and what each is made of: config/kpis.yaml, checked."""

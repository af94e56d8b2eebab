"""What a policy would have done in a time that has passed, beside what was done: `POST /v1/policies/backtest`."""

"""Numbers: response curves, their noise, regret, verdicts and predictions."""

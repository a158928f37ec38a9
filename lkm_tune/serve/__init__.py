"""Pages and an HTTP API over `lkm_tune.app`: live studies, best-γ answers and reports."""

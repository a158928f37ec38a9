"""Search on Ray: runs the trials of a study and records them in its ledger."""

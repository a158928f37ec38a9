"""Search on Ray: from a study's ranges to its trials, and back from them to its ledger."""

"""The nodes under a study: what they hold, who sees which files, and who may join."""

"""The book of a study: its trials and how they ended, its folder, its lock, what it has spent."""

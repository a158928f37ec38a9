"""The record of a study: its trials and their ends, its folder, its lock, its hours."""

"""Results in forms for others: remote places, other tools, archival packages and pages."""

"""Two object graphs side by side: how `persist.dataset.changes` finds where they differ."""

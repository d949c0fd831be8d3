"""How fast persist is, and how much memory it takes: ``python -m benchmarks CAPABILITY``."""

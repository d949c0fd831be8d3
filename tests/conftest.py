"""What pytest is to leave alone."""

# Golden files: programs to be read by the tests, not collected as such.
collect_ignore_glob = ["data/*"]

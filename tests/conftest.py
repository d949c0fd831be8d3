"""The files that pytest does not collect as modules with doctests."""

# Golden files are programs for the tests to read; objects of libraries that may be missing are
# imported by the test that skips them.
collect_ignore_glob = ["data/*", "libraries/objects/*"]

"""The import paths of programs written for nirs4all: see `persist.tracking`."""

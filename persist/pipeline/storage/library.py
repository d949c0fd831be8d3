"""The name that programs written for nirs4all import from here: see `persist.tracking`."""

from persist.tracking import PipelineLibrary

__all__ = ["PipelineLibrary"]

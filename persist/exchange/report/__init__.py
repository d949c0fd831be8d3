"""One self-contained HTML page for a data set, a workspace, an experiment or a store of runs."""

from persist.exchange.report.building import ReportError, report, write_diff

__all__ = ["ReportError", "report", "write_diff"]

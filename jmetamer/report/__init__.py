"""Figures and the HTML report of a run, made from the store alone."""

from jmetamer.report.page import write_report
from jmetamer.report.spectrum_figure import spectrum_figure

__all__ = ["spectrum_figure", "write_report"]

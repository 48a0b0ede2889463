"""Figures and the HTML report of a run, made from the store alone."""

from jmetamer.report.page import write_report

__all__ = ["write_report"]

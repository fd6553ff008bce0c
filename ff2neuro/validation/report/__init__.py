"""The report: a verdict as HTML for people, Markdown for pull requests, and JSON for machines."""

from ff2neuro.validation.report.html import render_html
from ff2neuro.validation.report.markdown import render_markdown
from ff2neuro.validation.report.material import Material, gather
from ff2neuro.validation.report.writing import require_report_directory, write_report

__all__ = ["Material", "gather", "render_html", "render_markdown", "require_report_directory", "write_report"]

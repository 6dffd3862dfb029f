"""A sweep as one page to send, and its pictures for slides.

* `html_report`: one HTML file that needs no network: verdicts, plots, statistics, failures, worst
  cases, the table of runs, and what it takes to repeat the sweep. Needs ``gmat-sweep[report]``.
* `save_plots`: the pictures of `gmat_sweep.plotting` as PNG or PDF files. Needs
  ``gmat-sweep[plot]``.
"""

from gmat_sweep.reporting.html import html_report
from gmat_sweep.reporting.slides import save_plots

__all__ = ["html_report", "save_plots"]

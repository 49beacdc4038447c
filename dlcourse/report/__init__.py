"""A sweep as one file that can be sent: `outputs/<name>/report.html`, with the figures of TensorBoard's tab.

    the tab's page and figures, recording's tables -> document -> html

`commands` puts the runs of a sweep together into the command that does them all again; `pictures` is for paper.
"""

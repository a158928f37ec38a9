"""Words and pictures: the answers, tables, figures and the page of a report."""

"""The report of a whole study: every table and figure of the paper, and its claims."""

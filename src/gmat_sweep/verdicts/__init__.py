"""Whether a mission meets its requirements: verdicts that hold however often one looks."""

"""The mission script: its statements, the files it names, and the copy that needs no display."""

"""The isolated worker process: starting it, talking to it, watching and ending it."""

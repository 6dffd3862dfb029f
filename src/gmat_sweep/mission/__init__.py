"""The mission script: its statements, the files it names, and its headless copy."""

"""What is in a sweep folder beside the manifest: run files and their facts, seals, attempts."""

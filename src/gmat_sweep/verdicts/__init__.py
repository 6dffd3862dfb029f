"""Whether a mission meets its requirements, by statistics that hold."""

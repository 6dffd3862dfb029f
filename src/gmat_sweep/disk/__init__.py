"""The file system: files that survive a crash, the append log, the folder lock, shortages."""

"""What stands on the file system: durable files, the append log, the folder lock, shortages."""

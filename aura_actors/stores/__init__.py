"""What must survive: SQLite files in the data directory. Blocking, called from threads; no Trio, no messages."""

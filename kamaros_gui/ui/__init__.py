"""The window. Qt lives here and nowhere else; it shows snapshots and sends requests, it never opens an archive."""

"""Files on disk: random access, the append region, the journal, walking, sources and sinks."""

"""Who reads the journal, besides the AOF and the mesh: WATCH and keyspace events."""

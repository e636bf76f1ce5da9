"""The data, without clock, file or socket: effects, keyspace, the one writer."""

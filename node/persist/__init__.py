"""What survives a restart and what travels in a full sync.

Start at `rdb_reader.py` (bytes to the records of `rdb_records.py`, without I/O) and
`rdb_writer.py` (values to bytes). Under the reader: `rdb_input.py` keeps the place in bytes that
come in pieces, `rdb_values.py` reads values that come whole; under the writer `rdb_encode.py`;
under both `rdb_packed.py`, the blobs inside values, and `rdb_codes.py`, numbers and checksum.
"""

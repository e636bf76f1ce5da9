"""What survives a restart and what travels in a full sync.

Start at `rdb_reader.py` (bytes to the records of `rdb_records.py`, without I/O) and
`rdb_writer.py` (values to bytes). Under the reader: `rdb_input.py` keeps the place in bytes that
come in pieces, `rdb_values.py` reads values that come whole; under the writer `rdb_encode.py`
(values), `rdb_lists.py` (nodes of lists), `rdb_put.py` and `rdb_lzf.py` (strings); under both
`rdb_packed.py`, the blobs inside values, and `rdb_codes.py`, numbers and checksum. `contents.py`
stands between records and the values of the store, `rdb_streams.py` does so for streams.
"""

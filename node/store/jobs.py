"""Jobs: a job that has run is due again. No effect says so: only the node that runs it knows."""

from __future__ import annotations

from node.store.keyspace import Database
from node.store.values.cron import CronValue
from node.store.writer import Writer


def reschedule(writer: Writer, db: Database, key: bytes, job: CronValue) -> None:
    """The key, if it is there, holds this job now. A snapshot under way has it as it was."""
    entry = db.keys.get(key)
    if entry is None:
        return
    if writer.walk is not None:
        writer.walk.before(db, key, entry)
    entry.value = job
    db.note_places(key, job)

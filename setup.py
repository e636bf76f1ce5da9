"""Compiles the hot modules with mypyc where a C compiler is; everything else is in pyproject.toml.

`python setup.py build_ext --inplace` puts each extension beside its source file. Without a C
compiler or without mypy, and with PLEXIS_PURE=1, nothing is compiled and the package is complete
all the same (docs/decisions/0004).
"""

import os
import shutil
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

# Compiled as one group, so that calls between these files are C calls. A file belongs here when a
# client's command or a peer's frame runs through it; what awaits, or talks to lupa or aiohttp,
# stays interpreted.
HOT = [
    "node/ports.py",
    "node/journal.py",
    "node/session.py",
    "node/gates.py",
    "node/engine.py",
    "node/resp/numbers.py",
    "node/resp/replies.py",
    "node/resp/inline.py",
    "node/resp/parser.py",
    "node/resp/encoder.py",
    "node/store/effect.py",
    "node/store/entry.py",
    "node/store/shards.py",
    "node/store/keyspace.py",
    "node/store/mutation.py",
    "node/store/mutate.py",
    "node/store/mutate_fields.py",
    "node/store/frequency.py",
    "node/store/mutate_lists.py",
    "node/store/mutate_streams.py",
    "node/store/mutate_strings.py",
    "node/store/parking.py",
    "node/store/mutate_zsets.py",
    "node/store/usual.py",
    "node/store/trash.py",
    "node/store/writer.py",
    "node/store/values/value.py",
    "node/store/values/cron.py",
    "node/store/values/strings.py",
    "node/store/values/bits.py",
    "node/store/values/hyperloglog.py",
    "node/store/values/runs.py",
    "node/store/values/spans.py",
    "node/store/values/order.py",
    "node/store/values/list_effects.py",
    "node/store/values/list_moved.py",
    "node/store/values/list_places.py",
    "node/store/values/chunks.py",
    "node/store/values/lists.py",
    "node/store/values/scores.py",
    "node/store/values/ranking.py",
    "node/store/values/scored.py",
    "node/store/values/zsets.py",
    "node/store/values/zset_bounds.py",
    "node/store/values/stream_dots.py",
    "node/store/values/group_dots.py",
    "node/store/values/stream_payloads.py",
    "node/store/values/stream_changes.py",
    "node/store/values/group_changes.py",
    "node/store/values/stream_stable.py",
    "node/store/values/stream_same.py",
    "node/store/values/streams.py",
    "node/store/values/listpack.py",
    "node/store/values/member_deadlines.py",
    "node/store/values/stream_ids.py",
    "node/store/values/stream_nodes.py",
    "node/store/values/groups.py",
    "node/store/values/geohash.py",
    "node/store/values/hashes.py",
    "node/store/values/sets.py",
    "node/commands/command.py",
    "node/commands/context.py",
    "node/commands/exclusive.py",
    "node/commands/owned.py",
    "node/commands/strings.py",
    "node/commands/hashes.py",
    "node/commands/sets.py",
    "node/commands/keys.py",
    "node/commands/encodings.py",
    "node/commands/keydb.py",
    "node/commands/payloads.py",
    "node/commands/bitmaps.py",
    "node/commands/bitfield.py",
    "node/commands/hyperloglog.py",
    "node/commands/lists.py",
    "node/commands/list_blocking.py",
    "node/commands/list_moves.py",
    "node/commands/zsets.py",
    "node/commands/zset_ranges.py",
    "node/commands/zset_pops.py",
    "node/commands/zset_algebra.py",
    "node/commands/geo.py",
    "node/commands/geo_search.py",
    "node/commands/streams.py",
    "node/commands/stream_groups.py",
    "node/commands/stream_args.py",
    "node/commands/stream_claims.py",
    "node/commands/stream_reads.py",
    "node/commands/stream_trim.py",
    "node/commands/hash_expiry.py",
    "node/commands/sort.py",
    "node/readers/blocking.py",
    "node/commands/blocked.py",
    "node/persist/contents.py",
    "node/persist/cron_jobs.py",
    "node/persist/canon_words.py",
    "node/persist/canon_lists.py",
    "node/persist/canon_hashes.py",
    "node/persist/canon_streams.py",
    "node/persist/canon_strings.py",
    "node/persist/canon_zsets.py",
    "node/persist/rdb_streams.py",
    "node/persist/rdb_lists.py",
    "node/persist/rdb_lzf.py",
    "node/persist/rdb_put.py",
    "mesh/merge/opening.py",
    "mesh/merge/slots.py",
    "mesh/tags.py",
    "node/commands/expire.py",
    "node/persist/canon.py",
    "node/persist/rdb_codes.py",
    "node/persist/rdb_packed.py",
    "node/persist/rdb_input.py",
    "node/persist/rdb_records.py",
    "node/persist/rdb_values.py",
    "node/persist/rdb_reader.py",
    "node/persist/rdb_encode.py",
    "node/persist/rdb_writer.py",
    "node/net/connection.py",
    "mesh/clock.py",
    "mesh/dots.py",
    "mesh/policy.py",
    "mesh/removals.py",
    "mesh/conflicts.py",
    "mesh/codec.py",
    "mesh/key_reader.py",
    "mesh/fingerprint.py",
    "mesh/fingerprint_hash.py",
    "mesh/fingerprint_leaves.py",
    "mesh/fingerprint_lists.py",
    "mesh/fingerprint_places.py",
    "mesh/fingerprint_shown.py",
    "mesh/fingerprint_streams.py",
    "node/persist/gradual.py",
    "mesh/ranges.py",
    "mesh/frames.py",
    "mesh/rreplay.py",
    "mesh/inbox.py",
    "mesh/backlog.py",
    "mesh/merge/covers.py",
    "mesh/merge/bare.py",
    "mesh/fold.py",
    "mesh/forget.py",
    "mesh/noting.py",
    "mesh/put_off.py",
    "mesh/packing.py",
    "mesh/merge/kinds/kind.py",
    "mesh/merge/kinds/table.py",
    "mesh/merge/kinds/lists.py",
    "mesh/merge/kinds/stream_bytes.py",
    "mesh/merge/kinds/stream_join.py",
    "mesh/merge/kinds/streams.py",
    "mesh/merge/sights.py",
    "mesh/merge/streams.py",
    "mesh/merge/groups.py",
    "mesh/merge/kinds/list_bytes.py",
    "mesh/merge/kinds/list_join.py",
    "mesh/merge/kinds/list_forget.py",
    "mesh/merge/anchors.py",
    "mesh/merge/lists.py",
    "mesh/merge/list_moves.py",
    "mesh/merge/kinds/zset_bytes.py",
    "mesh/merge/kinds/zset_join.py",
    "mesh/merge/kinds/zset_members.py",
    "mesh/merge/kinds/zsets.py",
    "mesh/merge/spelled.py",
    "mesh/merge/state.py",
    "mesh/merge/rule.py",
    "mesh/merge/registers.py",
    "mesh/merge/counters.py",
    "mesh/merge/counted.py",
    "mesh/merge/increments.py",
    "mesh/merge/ledger.py",
    "mesh/merge/totals.py",
    "mesh/merge/patch_order.py",
    "mesh/merge/patches.py",
    "mesh/merge/place_deadlines.py",
    "mesh/merge/place_forget.py",
    "mesh/merge/dot_forget.py",
    "mesh/forget_counters.py",
    "mesh/forget_beside.py",
    "mesh/touched.py",
    "mesh/usage.py",
    "mesh/merge/elements.py",
    "mesh/merge/fields.py",
    "mesh/merge/zsets.py",
    "mesh/merge/noted.py",
    "mesh/merge/peer_key.py",
    "mesh/merge/whole.py",
    "mesh/merge/resolver.py",
    "node/pubsub.py",
    "node/readers/watch.py",
    "node/readers/notify.py",
    "node/store/glob.py",
    "node/store/events.py",
    "node/store/values/places.py",
    "node/store/values/container.py",
    "node/commands/args.py",
    "node/commands/connection.py",
    "node/commands/member_picks.py",
    "node/commands/member_scan.py",
    "node/commands/pubsub.py",
    "node/commands/transactions.py",
    "node/store/expiry.py",
]

# Calls inside the extension need not go through the symbol table: 4 % and 1.5 % fewer
# instructions, measured. -flto, -O2 and -march=native showed nothing.
# -fwrapv: hashes multiply modulo 2**64 on purpose, which C leaves undefined for signed numbers.
CFLAGS = "-fno-semantic-interposition -fno-plt -fwrapv"

GROUP = "plexis"  # the group's shared module is called plexis__mypyc; node/build.py knows it


def wants_extensions() -> bool:
    """Whether to compile: not asked for pure Python, and a C compiler is there."""
    if os.environ.get("PLEXIS_PURE") == "1":
        return False
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    return shutil.which(compiler.split()[0]) is not None


def extensions() -> list[Extension]:
    """The extensions of the hot modules that exist, or none where nothing can be compiled."""
    if not wants_extensions():
        return []
    try:
        from mypyc.build import mypycify
    except ImportError:
        print("setup.py: mypy is not installed, so the package stays pure Python")
        return []
    present = [path for path in HOT if Path(path).is_file()]
    if not present:
        return []
    os.environ["CFLAGS"] = f"{os.environ.get('CFLAGS', '')} {CFLAGS}".strip()
    return list(mypycify(present, opt_level="3", debug_level="0", group_name=GROUP))


setup(ext_modules=extensions())

"""Which rule decides which op: the whole policy on one screen.

    PUT     registers   the newest value shows; clears all that its writer had seen of the key
    DROP    registers   of a string: ABSENT, which competes by stamp; of a collection: what was seen
    EXPIRE  deadlines   the longest of concurrent deadlines wins
    INCR    counters    increments add up; a SET or DEL removes those it had seen
    SADD    members     each member on its own; a concurrent add survives a removal
    SREM    members     clears the adds it had seen
    HSET    fields      a register per field
    HDEL    fields      clears what it had seen of the field
    HINCR   fields      increments of a field add up
    FLUSH   everything that was seen of the database; concurrent writes survive
    MERGE   whole       two nodes' knowledge of one key become one (full sync)
    LAPSE   every node hides a key past its deadline for itself; nothing is sent

Two owners: the rules decide what is remembered, node/store/mutate.py alone changes values.
"""

"""What the content of lists, sorted sets and streams means to the mesh, a file for each type.

`kind.py` says what is asked of a kind, `table.py` names the kind of each slot. Beside
store/mutate.py these are the only modules that change values: what two nodes know of a value is
joined place by place, for which there is no effect (docs/decisions/0017).
"""

"""Which files are collected: mutants are made from source text, so they need pure Python."""

from node.build import compiled

MUTANTS = ["test_mutants.py", "test_mutants_mesh.py", "test_mutants_owners.py"]
collect_ignore = MUTANTS if compiled() else []

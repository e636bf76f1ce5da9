"""Which files are collected: mutants are made from source text, so they need pure Python."""

from node.build import compiled

collect_ignore = ["test_mutants.py", "test_mutants_mesh.py"] if compiled() else []

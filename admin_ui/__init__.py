"""What a person sees of the mesh: the admin page, its API, health checks, metrics, `plexis`.

Start reading at `views.py`, which turns the statuses of all nodes into what is shown, without any
input or output. `source.py` gets the statuses, `board.py` keeps the newest view, `app.py` serves
it. The page is read-only and has no powers of its own: it shows what MESH STATUS says.
"""

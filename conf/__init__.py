"""What may be configured, how it is written, and what was written. Imports nothing of ours.

    loaded = conf.load(sys.argv[1:], stdin_text)     # raises ConfigError with the whole message
    loaded.config.number("port")

Start reading at conf/table_text.py (every directive, one line each) and conf/config.py.
"""

from conf.command_line import Loaded, load, version_text, wants_stdin
from conf.config import Config, Place
from conf.directives import TABLE, Directive, find
from conf.errors import ConfigError
from conf.mesh_file import MeshConfig, parse_mesh, read_mesh_file
from conf.mesh_model import MeshLink, MeshNode
from conf.version import PLEXIS_VERSION, REDIS_VERSION

__all__ = [
    "PLEXIS_VERSION",
    "REDIS_VERSION",
    "TABLE",
    "Config",
    "ConfigError",
    "Directive",
    "Loaded",
    "MeshConfig",
    "MeshLink",
    "MeshNode",
    "Place",
    "find",
    "load",
    "parse_mesh",
    "read_mesh_file",
    "version_text",
    "wants_stdin",
]

"""Real PostgreSQL, service, nginx and clients, for benchmarks, fault tests, fuzzing and browser tests.

Everything runs on 127.0.0.1 in a folder of its own, and is stopped and removed at the end.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"

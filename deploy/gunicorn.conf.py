"""gunicorn's configuration, for those who start it by hand. What it says stands in redirect/serving.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from redirect.serving import *  # noqa: F403 - gunicorn takes each name for a setting

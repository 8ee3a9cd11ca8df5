"""What tools/stack runs within its namespaces: the folder, then its own arguments."""

import sys
from pathlib import Path

from rig.stack.command import inside

sys.exit(inside(Path(sys.argv[1]), sys.argv[2:]))

"""The tests of compiled code are judged by litmus tests: what those share is found here, too."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "litmus"))

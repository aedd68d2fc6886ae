"""Launch a run as a console in a terminal would, say so, and wait to be hung up."""

import signal
import sys
from pathlib import Path

from nli_console.record.layout import RunLayout
from nli_console.supervisor.launch import launch

launch(RunLayout(Path(sys.argv[1])))
print("launched", flush=True)
signal.pause()

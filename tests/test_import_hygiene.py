"""The console starts fast and small because it never loads a heavy library; each test is a fresh process."""

import json
import subprocess
import sys

HEAVY = ["torch", "transformers", "peft", "datasets", "evaluate", "numpy", "pandas", "pyarrow"]
NOT_THE_CONSOLE = ("nli_console.worker", "nli_console.analysis")

_IMPORT_ALL = """
import importlib, json, sys
from pathlib import Path
import nli_console
root = Path(nli_console.__path__[0])
paths = [path.relative_to(root.parent).with_suffix("") for path in sorted(root.rglob("*.py"))]
names = [".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__"]
names = [name for name in names if not name.startswith(tuple(json.loads(sys.argv[1])))]
for name in names:
    importlib.import_module(name)
print(json.dumps({"imported": names, "loaded": sorted({name.partition(".")[0] for name in sys.modules})}))
"""

_BARE_CALL = """
import json, sys
import nli_console.__main__, nli_console.cli.entry
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def fresh(code: str, *arguments: str):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_console_module_loads_a_heavy_library():
    answer = fresh(_IMPORT_ALL, json.dumps(NOT_THE_CONSOLE))
    assert {"nli_console.cli.app", "nli_console.record.store", "nli_console.methods.lora"} <= set(
        answer["imported"]
    )
    assert sorted(set(HEAVY) & set(answer["loaded"])) == []


def test_a_bare_call_does_not_load_the_command_line_library():
    loaded = fresh(_BARE_CALL)
    assert "cyclopts" not in loaded
    assert sorted(set(HEAVY) & set(loaded)) == []


def test_analysis_loads_no_torch():
    code = """
import importlib, json, pkgutil, sys
import nli_console.analysis
for module in pkgutil.iter_modules(nli_console.analysis.__path__):
    importlib.import_module(f"nli_console.analysis.{module.name}")
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    loaded = set(fresh(code))
    assert {"numpy", "pyarrow"} <= loaded
    assert not loaded & {"torch", "transformers", "datasets", "pandas", "scipy", "statsmodels", "textual"}

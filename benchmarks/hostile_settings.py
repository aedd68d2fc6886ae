"""How long a hostile settings.toml takes to be answered, against the shipped one, which is read whole.

Every file of the fault tests (a gigabyte, 30,000 brackets, keys of hundreds of parts, …) takes turns with
the shipped file; the budget is 100 ms for each.

    python benchmarks/hostile_settings.py [--rounds N]
"""

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nli_console.errors import ConsoleError
from nli_console.settings import load_settings
from tests.faults.test_hostile_settings import HOSTILE, write_hostile

SHIPPED = Path(__file__).parent.parent / "settings.toml"
BUDGET = 0.1


def seconds(path: Path) -> float:
    """To read one settings file, or to refuse it."""
    started = time.perf_counter()
    with contextlib.suppress(ConsoleError):
        load_settings(path)
    return time.perf_counter() - started


def main(rounds: int) -> int:
    """Print a line a file; exit code 1 when one is over the budget."""
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            best["shipped"] = min(seconds(SHIPPED), best.get("shipped", 1e9))
            for name in HOSTILE:
                path = write_hostile(Path(folder) / name.replace(" ", "-"), name)
                best[name] = min(seconds(path), best.get(name, 1e9))
    for name, took in best.items():
        print(f"{name:20} {1000 * took:8.2f} ms  {took / best['shipped']:6.1f} × the shipped file")
    worst = max(best.values())
    print(f"worst: {1000 * worst:.1f} ms, budget {1000 * BUDGET:.0f} ms")
    return int(worst > BUDGET)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    sys.exit(main(parser.parse_args().rounds))

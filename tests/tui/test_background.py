import asyncio
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import pytest
from textual.app import App
from textual.message import Message

from nli_console.errors import ConsoleError
from nli_console.tui.background import Latest, Poller, run


@dataclass
class Told(Message):
    value: int


class Listener(App):
    def __init__(self):
        super().__init__()
        self.heard = asyncio.Queue()

    def on_told(self, message):
        self.heard.put_nowait(message.value)

    def on_failure(self, message):
        self.heard.put_nowait(message.text)


async def _next(app):
    return await asyncio.wait_for(app.heard.get(), 10)


async def test_a_job_posts_its_message():
    app = Listener()
    async with app.run_test():
        run(lambda: Told(3), app, title="job")
        assert await _next(app) == 3


async def test_a_job_that_fails_says_why_without_a_traceback():
    def fail():
        raise ConsoleError("model: no such folder")

    app = Listener()
    async with app.run_test():
        run(fail, app, title="job")
        assert await _next(app) == "model: no such folder"


async def test_a_poller_tells_the_same_failure_once_and_goes_on():
    outcomes = iter([OSError("stale"), OSError("stale"), Told(1)])

    def work():
        outcome = next(outcomes, None)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    app = Listener()
    async with app.run_test():
        poller = Poller(work, app, 0.01, title="poll")
        poller.start()
        assert await _next(app) == "OSError: stale"
        assert await _next(app) == 1
        poller.stop()


async def test_work_that_was_overtaken_is_dropped():
    app = Listener()
    async with app.run_test():
        begun, release = threading.Event(), threading.Event()
        latest = Latest(app, title="latest")

        def slow():
            begun.set()
            release.wait(10)
            return Told(0)

        latest.submit(slow)
        await asyncio.to_thread(begun.wait, 10)
        latest.submit(lambda: Told(1))
        latest.submit(lambda: Told(2))
        release.set()
        assert [await _next(app), await _next(app)] == [0, 2]
        latest.stop()


@pytest.mark.parametrize(
    "start",
    [
        "run(lambda: time.sleep(60), app, title='hang')",
        "Poller(lambda: time.sleep(60), app, 1, title='hang').start()",
    ],
)
def test_a_job_that_hangs_does_not_keep_the_program_from_ending(start):
    program = (
        "import time\nfrom textual.app import App\nfrom nli_console.tui.background import Poller, run\n"
        "class Quits(App):\n    def on_mount(self):\n        app = self\n"
        f"        {start}\n        self.exit()\n"
        "Quits().run(headless=True)\n"
    )
    begun = time.monotonic()
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 0
    assert time.monotonic() - begun < 20

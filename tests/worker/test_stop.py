"""A stop is looked at between two steps, and ends a load in the middle of it."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from nli_console.worker.stop import STOP_SIGNALS, StopFlag, Stopped


@pytest.fixture
def stop() -> Iterator[StopFlag]:
    before = {number: signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGINT)}
    flag = StopFlag()
    flag.install()
    yield flag
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_load_is_left_as_soon_as_a_stop_comes(stop: StopFlag) -> None:
    def load() -> None:
        os.kill(os.getpid(), signal.SIGUSR2)
        time.sleep(600)

    with pytest.raises(Stopped), stop.at_once():
        load()
    assert stop.requested


def test_a_load_does_not_begin_after_a_stop(stop: StopFlag) -> None:
    os.kill(os.getpid(), signal.SIGUSR2)
    with pytest.raises(Stopped), stop.at_once():
        pytest.fail("the load began")


def test_elsewhere_a_stop_waits_until_it_is_looked_for(stop: StopFlag) -> None:
    with stop.at_once():
        pass
    os.kill(os.getpid(), signal.SIGUSR2)
    with pytest.raises(Stopped):
        stop.check()

"""The stages of other rooms' tests, on which the faults are played."""

from tests.end_to_end.conftest import world as world
from tests.supervisor.conftest import desk as desk

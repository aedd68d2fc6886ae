"""Trainings of tiny models, for faults that need a real one."""

from tests.worker.conftest import _own_patches as _own_patches
from tests.worker.conftest import corpus as corpus
from tests.worker.conftest import model_folder as model_folder
from tests.worker.conftest import stop_when as stop_when
from tests.worker.conftest import submitted as submitted

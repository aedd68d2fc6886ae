"""The memory estimate against the measured peak of real training steps; benchmarks/ has the long list."""

import pytest

from benchmarks.memory_estimate import Model, compare
from nli_console.data.demo import demo_model_path
from nli_console.worker.device import choose_device
from nli_console.worker.models import load_config


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "method"),
    [("encoder", "full"), ("decoder", "qlora_sft"), ("decoder", "qlora_classifier")],
)
def test_within_a_tenth_of_the_measured_peak(kind, method):
    model = Model(f"demo-{kind}", load_config(demo_model_path(kind), kind))
    measured, estimate = compare(model, (method, 16, {}), choose_device("fp32"))
    assert estimate.peak == pytest.approx(measured, rel=0.1)

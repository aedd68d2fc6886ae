"""QLoRA as a language model: a decoder in 4 bits learns to answer a prompt with the label word."""

from typing import TYPE_CHECKING

from nli_console.methods import qlora
from nli_console.methods.base import Method, ModelLoader, ParameterCounts, TrainingPlan

if TYPE_CHECKING:
    from torch.nn import Module

    from nli_console.methods.shapes import ModelShapes

ANSWER_TOKENS = 4
"""Positions of a row at which the vocabulary is scored: a label word of up to three tokens, and what ends the
turn. An allowance for the estimate of memory; training scores as many as the words take."""


class QloraSft(Method):
    position = 80
    name = "qlora_sft"
    title = "QLoRA, answering"
    summary = "trains low-rank updates of a decoder stored in 4 bits to answer a prompt with the label word"
    reference = "Dettmers et al. 2023, arXiv 2305.14314"
    family = "decoder"
    product = "adapter"
    Hyperparameters = qlora.QloraHyperparameters
    task = "causal"
    quantises = True
    report_accuracy = 0.3612

    def build(self, loader: ModelLoader, hyperparameters: qlora.QloraHyperparameters) -> "Module":
        model = qlora.load_quantised(loader, "causal", double=hyperparameters.double_quantisation)
        return qlora.with_updates(model, loader.shapes("causal"), hyperparameters, head=False)

    def count(self, shapes: "ModelShapes", hyperparameters: qlora.QloraHyperparameters) -> ParameterCounts:
        return qlora.count(shapes, hyperparameters, head=False)

    def plan(self, shapes: "ModelShapes", hyperparameters: qlora.QloraHyperparameters) -> TrainingPlan:
        return qlora.plan(shapes, hyperparameters, head=False, scored_positions=ANSWER_TOKENS)

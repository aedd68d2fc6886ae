"""Write the architectures that ship with the package: `python scripts/make_shapes.py`.

The values are those of the models' public ``config.json``; no weights and no network are needed.
"""

import json
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    LlamaConfig,
    PreTrainedConfig,
    RobertaConfig,
)

from nli_console.methods.shapes import ModelShapes, Task

AUTO: dict[Task, type] = {
    "classifier": AutoModelForSequenceClassification,
    "causal": AutoModelForCausalLM,
    "masked": AutoModelForMaskedLM,
}

FOLDER = Path(__file__).parent.parent / "nli_console" / "methods" / "architectures"

CONFIGS: dict[str, tuple[PreTrainedConfig, tuple[Task, ...]]] = {
    "roberta-large": (
        RobertaConfig(
            vocab_size=50265,
            hidden_size=1024,
            num_hidden_layers=24,
            num_attention_heads=16,
            intermediate_size=4096,
            max_position_embeddings=514,
            type_vocab_size=1,
            num_labels=3,
        ),
        ("classifier", "masked"),
    ),
    "llama-3-8b": (
        LlamaConfig(
            vocab_size=128256,
            hidden_size=4096,
            num_hidden_layers=32,
            num_attention_heads=32,
            num_key_value_heads=8,
            intermediate_size=14336,
            max_position_embeddings=8192,
            num_labels=3,
        ),
        ("classifier", "causal"),
    ),
}


def main() -> None:
    for stem, (config, tasks) in CONFIGS.items():
        for task in tasks:
            with torch.device("meta"):
                model = AUTO[task].from_config(config)
            shapes = ModelShapes.of(model, stem)
            record = shapes.to_json()
            rows = ",\n".join("  " + json.dumps(row) for row in record.pop("modules"))
            head = json.dumps(record, indent=1)[:-2]
            path = FOLDER / f"{stem}.{task}.json"
            path.write_text(f'{head},\n "modules": [\n{rows}\n ]\n}}\n', encoding="utf-8")
            print(f"{path.name}: {shapes.total:,} parameters")


if __name__ == "__main__":
    main()

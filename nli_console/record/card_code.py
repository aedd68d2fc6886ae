"""How to load what a run made, as a model card shows it: code that runs as it stands."""

from collections.abc import Sequence
from typing import Any

from nli_console.methods import registry
from nli_console.record.dossier import Dossier

FOLDER = "path/to/this/folder"
"""Stands for the folder in the code."""

_IMPORTS = "import torch\nfrom transformers import {names}\n"
_PAIR = 'premise, hypothesis = "A man sleeps.", "Nobody is awake."\n'
_INPUTS = (
    "inputs = tokenizer(premise, hypothesis, truncation=True, max_length={length}, return_tensors={kind})\n"
)
_PROBABILITIES = """with torch.inference_mode():
    probabilities = model(**inputs).logits.softmax(-1)[0]
print({model.config.id2label[i]: round(p.item(), 4) for i, p in enumerate(probabilities)})"""
_POOL = """

def text_alone(module, arguments, output):
    # The head was trained to read the text's first token, which stands behind the virtual ones.
    output.last_hidden_state = output.last_hidden_state[:, {tokens}:]
    return output


getattr(base, base.base_model_prefix).encoder.register_forward_hook(text_alone)
"""


def use(dossier: Dossier, form: str, labels: Sequence[str]) -> list[str]:
    """Paragraphs of Markdown: the code, and what is to be known with it.

    Args:
        form: ``adapter``, ``model`` or ``merged``.
        labels: names in the order of the model's outputs; empty for a language model.
    """
    spec = dossier.spec
    assert spec is not None
    method = registry.get(spec.method)
    parts: list[str] = []
    if labels:
        parts.append("Outputs: " + ", ".join(f"{i} = {label}" for i, label in enumerate(labels)) + ".")
    prompted = spec.template is not None
    code = _code(dossier, form, method.task == "causal", prompted)
    parts.append(f"```python\n{code}\n```")
    if prompted:
        parts.append(
            "It expects the prompt that `prompt.json` holds (`text`, with the pair in the place of "
            "`{premise}` and `{hypothesis}`), as the code shows."
        )
    parts.append(f"Or, with nli-console: `nli-console predict {FOLDER} --premise … --hypothesis …`.")
    return parts


def _code(dossier: Dossier, form: str, causal: bool, prompted: bool) -> str:
    spec = dossier.spec
    assert spec is not None
    raw = spec.template is not None and spec.template.format == "raw"
    kind = "AutoModelForCausalLM" if causal else "AutoModelForSequenceClassification"
    if form == "adapter":
        names = f"AutoConfig, {kind}, AutoTokenizer"
        lines = "import json\n" + _IMPORTS.format(names=names) + "from peft import PeftModel\n\n"
        lines += f'folder = "{FOLDER}"\n'
        lines += 'base_name = json.load(open(f"{folder}/adapter_config.json"))["base_model_name_or_path"]\n'
        lines += f"base = {kind}.from_pretrained(\n    base_name, config=AutoConfig.from_pretrained(folder)"
        # A base model may bring a head for other labels, which the adapter's takes the place of.
        lines += "\n)\n" if causal else ", ignore_mismatched_sizes=True\n)\n"
        lines += _pool(spec.method, spec.hyperparameters)
        lines += "model = PeftModel.from_pretrained(base, folder).eval()\n"
    else:
        lines = _IMPORTS.format(names=f"{kind}, AutoTokenizer") + f'\nfolder = "{FOLDER}"\n'
        lines += f"model = {kind}.from_pretrained(folder).eval()\n"
    lines += "tokenizer = AutoTokenizer.from_pretrained(folder)\n"
    if not prompted:
        length = spec.hyperparameters.get("max_length", 256)
        return lines + _PAIR + _INPUTS.format(length=length, kind='"pt"') + _PROBABILITIES
    lines = lines if lines.startswith("import json") else f"import json\n{lines}"
    lines += _PAIR + 'text = json.load(open(f"{folder}/prompt.json"))["text"]\n'
    lines += 'text = text.replace("{premise}", premise).replace("{hypothesis}", hypothesis)\n'
    if raw:
        # The space before an answer is the answer's.
        lines += 'inputs = tokenizer(text.rstrip(" "), return_tensors="pt")\n'
    else:
        lines += 'inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt")\n'
    if not causal:
        return lines + _PROBABILITIES
    lines += "with torch.inference_mode():\n"
    lines += "    written = model.generate(**inputs, max_new_tokens=8, do_sample=False)\n"
    return (
        lines
        + 'print(tokenizer.decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))'
    )


def _pool(method: str, hyperparameters: dict[str, Any]) -> str:
    """Of P-tuning whose head reads the text's own first token: what PEFT does not do by itself."""
    if method != "p_tuning" or hyperparameters.get("pool") != "real":
        return ""
    return _POOL.format(tokens=hyperparameters.get("num_virtual_tokens", 0))

"""The model card of a run: ``README.md`` in the form that the Hugging Face hub reads."""

import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from nli_console import __version__
from nli_console.data.resolve import DEMO_MODELS
from nli_console.methods import registry
from nli_console.record import card_code
from nli_console.record.dossier import Dossier
from nli_console.record.evaluation import SplitReport
from nli_console.record.secrets import scrub
from nli_console.record.summary import Accuracy, headline_split
from nli_console.statistics import wilson
from nli_console.text import UNKNOWN, clean_line, format_accuracy, format_count, format_number

Form = Literal["adapter", "model", "merged"]

_LICENCES = {
    "roberta-large": "mit",
    "roberta-base": "mit",
    "FacebookAI/roberta-large": "mit",
    "FacebookAI/roberta-base": "mit",
    "microsoft/deberta-v3-large": "mit",
    "microsoft/deberta-v3-base": "mit",
    "bert-base-uncased": "apache-2.0",
    "meta-llama/Meta-Llama-3-8B-Instruct": "llama3",
}
"""Of models that are much used, by their own cards; of a folder the card in it is read."""
_CARD_READ = 64 * 1024


def model_card(dossier: Dossier, form: Form, *, labels: Sequence[str]) -> str:
    """The card of what a run made.

    Args:
        labels: names in the order of the model's outputs; empty for a language model.

    Returns:
        Markdown with YAML front matter; no host, user, folder of the run or secret stands in it.
    """
    parts = [
        _front(dossier, form),
        f"# {_plain(dossier.name)}",
        _what(dossier, form),
        *_warnings(dossier),
        "## Results",
        *_results(dossier.reports, dossier.summary.accuracy),
        "## How to use it",
        *card_code.use(dossier, form, labels),
        "## Training",
        *_training(dossier),
        "## Environment",
        _table(("what", "version"), dossier.environment_lines),
        "## Limitations",
        *_limitations(dossier, form),
        "## Licence",
        _licence(dossier),
    ]
    return scrub("\n\n".join(part for part in parts if part)) + "\n"


# Front matter


def _front(dossier: Dossier, form: Form) -> str:
    spec, summary = dossier.spec, dossier.summary
    assert spec is not None
    licence = licence_of(spec.model, spec.model_name)
    causal = registry.get(spec.method).task == "causal"
    fields: dict[str, Any] = {}
    if licence is not None:
        fields["license"] = licence
    fields |= {
        "base_model": _shown_model(dossier),
        "base_model_relation": "adapter" if form == "adapter" else "finetune",
        "library_name": "peft" if form == "adapter" else "transformers",
        "pipeline_tag": "text-generation" if causal else "text-classification",
        "tags": ["natural-language-inference", "nli-console", spec.method],
        "metrics": ["accuracy"],
    }
    if spec.data.format == "hub":
        fields["datasets"] = [spec.data.source]
    results = [_result(dossier, split, held) for split, held in summary.accuracy.items()]
    fields["model-index"] = [{"name": clean_line(dossier.name, limit=96), "results": results}]
    # JSON is YAML, and leaves no text that could mean something else in it.
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _result(dossier: Dossier, split: str, held: Accuracy) -> dict[str, Any]:
    assert dossier.spec is not None
    data = dossier.spec.data
    kind = data.source if data.format == "hub" else clean_line(data.name, limit=80)
    return {
        "task": {"type": "natural-language-inference", "name": "Natural language inference"},
        "dataset": {"type": kind, "name": clean_line(data.name, limit=80), "split": split},
        "metrics": [
            {"type": "accuracy", "value": round(held.value, 6), "name": f"Accuracy (n = {held.n or 0})"}
        ],
    }


def licence_of(model: str, model_name: str) -> str | None:
    """The licence that a model's own card names; of the demo's models this project's; else ``None``."""
    if model_name in DEMO_MODELS:
        return "apache-2.0"
    if model_name in _LICENCES or model in _LICENCES:
        return _LICENCES.get(model_name) or _LICENCES[model]
    card = Path(model) / "README.md"
    try:
        text = card.read_bytes()[:_CARD_READ].decode("utf-8", "replace") if Path(model).is_absolute() else ""
    except OSError:
        return None
    if not text.startswith("---"):
        return None
    for line in text[3:].partition("\n---")[0].splitlines():
        key, colon, value = line.partition(":")
        if colon and key == "license" and value.strip():
            return clean_line(value.strip().strip("\"'"), limit=60)
    return None


# Body


def _what(dossier: Dossier, form: Form) -> str:
    spec = dossier.spec
    assert spec is not None
    method = registry.get(spec.method)
    made = {
        "adapter": f"An adapter ({method.title}) for `{_plain(_shown_model(dossier))}`",
        "model": f"`{_plain(_shown_model(dossier))}`, fine-tuned ({method.title})",
        "merged": f"`{_plain(_shown_model(dossier))}` with an adapter ({method.title}) merged into its "
        "full-precision weights",
    }[form]
    return (
        f"{made}, for natural language inference: it tells whether a hypothesis follows from a premise "
        "(entailment), contradicts it (contradiction) or neither (neutral).\n\n"
        f"{method.title}: {method.summary}.\n\n"
        f"Made by nli-console {__version__} as run `{dossier.layout.id}`."
    )


def _warnings(dossier: Dossier) -> list[str]:
    notes: list[str] = []
    if dossier.is_demo:
        notes.append(
            "> **A demonstration.** Model or data are those that come with nli-console: tiny, generated and "
            "pre-trained on pairs of the same generator. The figures say nothing about real models."
        )
    notes += [
        f"> **Warning from training** ({_plain(guard.id)}): {_plain(guard.message)}"
        for guard in dossier.summary.guards
    ]
    return notes


def _results(reports: Sequence[SplitReport], accuracies: Any) -> list[str]:
    if not accuracies:
        return ["No reported split was scored with these weights."]
    known = {report.split: report for report in reports}
    rows: list[tuple[str, ...]] = []
    for split, held in accuracies.items():
        report = known.get(split)
        majority = report.majority if report else None
        rows.append(
            (
                split,
                _percent(held.value),
                interval(held),
                format_count(held.n),
                UNKNOWN if report is None else _percent(report.macro_f1),
                UNKNOWN if report is None or report.loss is None else format_number(report.loss),
                UNKNOWN if majority is None else f"{_percent(majority[1])} ({majority[0]})",
            )
        )
    header = (
        "split",
        "accuracy",
        "95 % interval",
        "n",
        "macro F1",
        "loss (nats)",
        "always the commonest label",
    )
    parts = [
        _table(header, rows),
        "Accuracy is the share of right labels, with its 95 % Wilson interval. No row of these splits was "
        "trained on or used to select the checkpoint.",
    ]
    split = headline_split(accuracies)
    report = known.get(split) if split else None
    if report is not None and report.confusion:
        rows = [
            (f"**{label}**", *map(format_count, counts), *_precision(report, label))
            for label, counts in zip(report.labels, report.confusion, strict=True)
        ]
        said = [f"said {label}" for label in report.labels]
        parts += [
            f"### Labels on {_plain(report.split)}",
            _table(("gold", *said, "precision", "recall", "F1"), rows),
        ]
    return [*parts, *_genres(reports)]


def _precision(report: SplitReport, label: str) -> tuple[str, str, str]:
    held = report.per_class.get(label)
    if held is None:
        return UNKNOWN, UNKNOWN, UNKNOWN
    return _percent(held.precision), _percent(held.recall), _percent(held.f1)


def _genres(reports: Sequence[SplitReport]) -> list[str]:
    rows = [
        (report.split, genre, _percent(held.value), interval(held), format_count(held.n))
        for report in reports
        for genre, held in report.genres.items()
    ]
    if not rows:
        return []
    return ["### By genre", _table(("split", "genre", "accuracy", "95 % interval", "n"), rows)]


def _training(dossier: Dossier) -> list[str]:
    spec = dossier.spec
    assert spec is not None
    preset = f"Preset `{_plain(spec.preset)}`." if spec.preset else "No preset."
    rows = [
        (
            f"`{setting.name}`",
            setting.value + (" (changed)" if setting.changed else ""),
            setting.unit,
            setting.help,
        )
        for setting in dossier.settings
    ]
    parts = [
        _table(("data", ""), dossier.data_lines),
        preset
        + (" Values marked as changed differ from it." if any(s.changed for s in dossier.settings) else ""),
        _table(("setting", "value", "unit", "what it is"), rows),
        _table(("cost", ""), dossier.cost_lines),
    ]
    if dossier.command:
        parts += ["The command that repeats it:", f"```shell\n{shlex.join(dossier.command)}\n```"]
    return parts


def _limitations(dossier: Dossier, form: Form) -> list[str]:
    spec = dossier.spec
    assert spec is not None
    method = registry.get(spec.method)
    notes = [
        "It was scored on the splits above alone; of other texts, genres and languages nothing is known.",
        "Models trained for inference on such corpora are known to lean on surface cues of the hypothesis, "
        "such as negation, and on word overlap; an accuracy does not show it.",
        "The probabilities are not calibrated unless the table above says how far they are off.",
    ]
    errors = [
        f"{report.split}: {_percent(report.calibration_error)}"
        for report in dossier.reports
        if report.calibration_error is not None
    ]
    if errors:
        notes[-1] = f"Its confidence is off by (expected calibration error, 15 bins): {', '.join(errors)}."
    if method.quantises and form == "merged":
        notes.append(
            "The figures were measured with the base model in 4 bits. These merged weights are in full "
            "precision and were not scored; they differ by the rounding of the 4-bit weights."
        )
    elif method.quantises:
        notes.append("The figures were measured with the base model in 4 bits; load it so to get them again.")
    if spec.template is not None:
        notes.append(
            f'It reads a pair through the prompt template "{spec.template.name}" (in `prompt.json`); with '
            "another wording it is worth much less."
        )
    return ["\n".join(f"- {_plain(note)}" for note in notes)]


def _licence(dossier: Dossier) -> str:
    spec = dossier.spec
    assert spec is not None
    licence = licence_of(spec.model, spec.model_name)
    name = _plain(_shown_model(dossier))
    whose = (
        f"The licence of the base model `{name}` is {_plain(licence)}; it binds what was made of it, too."
        if licence
        else f"The licence of the base model `{name}` was not found; its card says it, and it binds this "
        "model too."
    )
    return f"{whose} The data's licence is that of `{_plain(spec.data.name)}`."


# Markdown


def interval(held: Accuracy) -> str:
    """``85.7–87.9 %``; that of Wilson where the record has none."""
    low, high = held.low, held.high
    if (low is None or high is None) and held.n:
        low, high = wilson(round(held.value * held.n), held.n)
    return UNKNOWN if low is None or high is None else f"{100 * low:.1f}–{100 * high:.1f} %"


def _percent(value: float | None) -> str:
    return format_accuracy(value)


def _shown_model(dossier: Dossier) -> str:
    """As the user named it; of a folder no more than its name."""
    spec = dossier.spec
    assert spec is not None
    name = clean_line(spec.model_name, limit=200)
    return name.rstrip("/").rpartition("/")[2] if name.startswith(("/", "~", ".")) else name


def _plain(text: object) -> str:
    """Text that is no markup: what Markdown or HTML would act on is escaped."""
    line = clean_line(text, limit=500)
    for sign in "\\`*_[]<>|#":
        line = line.replace(sign, f"\\{sign}")
    return line


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [tuple(_cell(cell) for cell in row) for row in rows]
    if not lines:
        return ""
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(line) + " |" for line in (tuple(header), tuple(rule), *lines))


def _cell(cell: object) -> str:
    """Cells that are code or bold are ours; everything else is plain."""
    text = clean_line(cell, limit=300)
    if text.startswith(("`", "**")):
        return text.replace("|", "\\|")
    return _plain(text)

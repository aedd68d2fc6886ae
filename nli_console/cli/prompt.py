"""``nli-console prompt``: one pair, put to a language model: what it reads, says and finds likely."""

import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from nli_console.cli.chat_session import ChatSession, fragments
from nli_console.cli.context import Context, Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import note, pairs, say, say_json, table
from nli_console.data.chat import (
    Demonstrate,
    Generate,
    Load,
    Question,
    Render,
    Sampling,
    Score,
    refuse_empty,
    refuse_masked,
)
from nli_console.data.prompts import PromptTemplate, catalogue
from nli_console.data.resolve import resolve_dataset
from nli_console.data.spec import LABELS, Example
from nli_console.errors import ConsoleError
from nli_console.methods import presets
from nli_console.methods.fields import describe, require
from nli_console.methods.icl import IclHyperparameters
from nli_console.record.trained_adapters import TrainedAdapter, adapter_of
from nli_console.supervisor.chat import load_request
from nli_console.supervisor.chat_events import Answered, Demonstrated, Loaded, Rendered, Scored
from nli_console.text import format_bytes, format_duration

_FIELDS = {field.name: field for field in describe(IclHyperparameters)}
_ANSWER = Group("Answer", sort_key=2)
NEW_TOKENS = 64
ENDED = {
    "end": "ended by itself",
    "limit": "cut at --max-new-tokens",
    "positions": "cut where the model has no more positions",
    "stopped": "stopped",
}


def _declared(name: str, default: object = None) -> Parameter:
    """An option with the words and bounds of the hyperparameter of that name."""
    field = _FIELDS[name]
    limits = " ".join(part for part in (field.bounds, field.unit) if part)
    shown = field.format(field.default) if default is None else str(default)
    return Parameter(
        help=f"{field.help}; {limits} (default: {shown})",
        group=_ANSWER,
        show_default=False,
        metavar=field.kind.upper(),
    )


@dataclass(frozen=True)
class _Asked:
    """What is put to which model."""

    load: Load
    adapter: TrainedAdapter | None
    template: PromptTemplate
    sampling: Sampling


def prompt(
    *,
    premise: Annotated[str, Parameter(help="what is known")],
    hypothesis: Annotated[str, Parameter(help="what may follow from it")],
    label: Annotated[
        Literal["entailment", "neutral", "contradiction"] | None,
        Parameter(help="the right answer, where it is known"),
    ] = None,
    template: Annotated[
        str | None,
        Parameter(
            help="by name, see `nli-console templates` (default: the adapter's own; demo for the demo "
            "models, else recommended)"
        ),
    ] = None,
    shots: Annotated[
        int, Parameter(help="solved training pairs before the question, with balanced labels; 0…256")
    ] = 0,
    data: Annotated[
        str | None, Parameter(help="where the shots are taken from (default: the settings' data)")
    ] = None,
    seed: Annotated[
        int | None, Parameter(help="of the shots and of drawing (default: the settings')")
    ] = None,
    model: Annotated[
        str | None,
        Parameter(help="a language model (default: the adapter's base, else that of the settings' [chat])"),
    ] = None,
    adapter: Annotated[
        str | None,
        Parameter(help="a finished qlora_sft run whose adapter answers: its id, a beginning of it, its name"),
    ] = None,
    quantisation: Annotated[
        Literal["none", "8-bit", "nf4"] | None,
        Parameter(help="how the weights are stored (default: the settings' [chat])"),
    ] = None,
    max_new_tokens: Annotated[str | None, _declared("max_new_tokens", NEW_TOKENS)] = None,
    temperature: Annotated[str | None, _declared("temperature")] = None,
    top_p: Annotated[str | None, _declared("top_p")] = None,
    top_k: Annotated[str | None, _declared("top_k")] = None,
    json: Json = False,
    context: Ctx,
) -> None:
    """Ask a language model about one pair.

    Shows the exact prompt and its tokens, the answer as it is written, the label that is read in it, and the
    probability of each label by the model's likelihoods, raw and calibrated: text and scores may disagree.
    """
    chosen_seed = context.settings.values.defaults.seed if seed is None else seed
    drawing = {"max_new_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p, "top_k": top_k}
    sampling = _sampling(drawing, chosen_seed)
    refuse_empty(premise, hypothesis)
    asked = _asked(model, adapter, template, quantisation, sampling, context)
    demonstrate = _demonstrations(shots, data, chosen_seed, context)
    with ChatSession(context.settings) as session:
        loaded = session.load(asked.load)
        examples: tuple[Example, ...] = ()
        if demonstrate is not None:
            examples = session.wait(session.start(demonstrate), Demonstrated).examples
        question = Question(template=asked.template, premise=premise, hypothesis=hypothesis, shots=examples)
        result = _ask(session, asked, question, quiet=json)
    if json:
        say_json(_json(asked, question, loaded, label, *result))
    else:
        _say_scores(label, *result[1:])


def _ask(
    session: ChatSession, asked: _Asked, question: Question, *, quiet: bool
) -> tuple[Rendered, Answered, Scored]:
    load, folder = asked.load, "" if asked.adapter is None else str(asked.adapter.folder)
    render = session.start(
        Render(
            model=load.model,
            model_name=load.model_name,
            prompt=question,
            max_new_tokens=asked.sampling.max_new_tokens,
        )
    )
    generate = session.start(Generate(prompt=question, sampling=asked.sampling, adapter=folder))
    score = session.start(Score(prompt=question, adapter=folder))
    rendered = session.wait(render, Rendered)
    for finding in rendered.findings:
        note(f"{finding.severity} [{finding.id}] {finding.message}; {finding.suggestion}")
    if quiet:
        answered = session.wait(generate, Answered)
    else:
        by = "" if asked.adapter is None else f", adapter of {asked.adapter.run_id}"
        say(f"prompt: {asked.template.name}, {len(question.shots)} shots, {rendered.tokens} tokens{by}\n")
        say(rendered.text)
        say("\nanswer:\n")
        answered = session.wait(generate, Answered, fragments(_write))
        say()
    scored = session.wait(score, Scored)
    for sentence in dict.fromkeys((*answered.notes, *scored.notes)):
        note(sentence)
    return rendered, answered, scored


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _sampling(given: dict[str, str | None], seed: int) -> Sampling:
    """Raises ``ConsoleError`` for a value out of bounds, or one that would change nothing."""
    texts = {name: text for name, text in given.items() if text is not None}
    bounds = require(
        IclHyperparameters, {"temperature": texts.get("temperature", "0"), "scorer": "generation"}
    )
    for name in ("top_p", "top_k"):
        if name in texts and bounds.temperature == 0:
            option = _FIELDS[name].option
            raise ConsoleError(
                f"{option} {texts[name]}: at --temperature 0 the likeliest token is taken and nothing is "
                f"drawn; give a --temperature above 0, or leave {option} out"
            )
    values = require(IclHyperparameters, {"max_new_tokens": NEW_TOKENS, **texts, "scorer": "generation"})
    if not 0 <= seed < 2**32:
        raise ConsoleError(f"--seed {seed}: must be a whole number from 0 to 4294967295")
    return Sampling(
        max_new_tokens=values.max_new_tokens,
        temperature=values.temperature,
        top_p=values.top_p,
        top_k=values.top_k,
        seed=seed,
    )


def _asked(
    model: str | None,
    adapter: str | None,
    template: str | None,
    quantisation: Literal["none", "8-bit", "nf4"] | None,
    sampling: Sampling,
    context: Context,
) -> _Asked:
    """What was named on the command line, found; raises ``ConsoleError`` for what there is not."""
    trained = None if adapter is None else _adapter(adapter, context)
    if model is None and trained is not None:
        name, place = trained.model_name, trained.model
    else:
        name, place = model or context.settings.values.chat.model, None
    load = load_request(name, context.settings, place=place, quantisation=quantisation)
    if template is None and trained is not None and trained.template is not None:
        return _Asked(load, trained, trained.template, sampling)
    wanted = template or str(presets.default_for("icl", name).hyperparameters.get("template", "recommended"))
    found = catalogue.load(wanted, context.user_folder)
    refuse_masked(found)
    return _Asked(load, trained, found, sampling)


def _adapter(text: str, context: Context) -> TrainedAdapter:
    found = context.find(text)
    if found.group is not None:
        raise ConsoleError(
            f"--adapter {text}: a group of {len(found.layouts)} runs; name one of them, such as "
            f"{found.layouts[0].id}"
        )
    return adapter_of(found.layouts[0])


def _demonstrations(shots: int, data: str | None, seed: int, context: Context) -> Demonstrate | None:
    require(IclHyperparameters, {"shots": shots})
    if not shots:
        if data is not None:
            raise ConsoleError(
                f"--data {data}: only shots are taken from it; give --shots too, or leave it out"
            )
        return None
    spec = resolve_dataset(data or context.settings.values.defaults.data, context.settings)
    return Demonstrate(data=spec, shots=shots, seed=seed)


def _say_scores(label: str | None, answered: Answered, scored: Scored) -> None:
    speed = answered.tokens_per_second
    first = answered.first_token_seconds
    reading = [
        ("read as", _judged(answered.label, label) if answered.label else "no label"),
        ("tokens", f"{answered.tokens}, {ENDED[answered.ended]}"),
        ("first token", format_duration(first) if first is None or first >= 1 else f"{1000 * first:.0f} ms"),
        ("tokens per second", "–" if speed is None else f"{speed:.1f}"),
        ("peak memory", format_bytes(answered.peak_memory_bytes)),
    ]
    say()
    say(pairs(reading))
    say()
    best = [max(LABELS, key=lambda name: each[name]) for each in (scored.raw, scored.calibrated)]
    rows = [
        (name, f"{100 * scored.raw[name]:.1f} %", f"{100 * scored.calibrated[name]:.1f} %",
         f"{scored.log_likelihoods[name]:.3f}")
        for name in LABELS
    ]  # fmt: skip
    say(table(("LABEL", "RAW", "CALIBRATED", "LOG-LIKELIHOOD"), rows, right=(1, 2, 3)))
    say()
    say(f"likeliest: {_judged(best[0], label)}; calibrated: {_judged(best[1], label)}")
    if answered.label is not None and answered.label != best[0]:
        say(f"the answer says {answered.label}, and the likeliest label is {best[0]}")


def _judged(found: str, label: str | None) -> str:
    return found if label is None else f"{found} ({'right' if found == label else f'wrong: {label}'})"


def _json(
    asked: _Asked,
    question: Question,
    loaded: Loaded,
    label: str | None,
    rendered: Rendered,
    answered: Answered,
    scored: Scored,
) -> dict[str, Any]:
    return {
        "model": asked.load.model_name,
        "quantisation": asked.load.quantisation,
        "precision": loaded.precision,
        "device": loaded.device,
        "weights_bytes": loaded.weights_bytes,
        "adapter": None if asked.adapter is None else asked.adapter.run_id,
        "template": asked.template.name,
        "template_digest": asked.template.digest,
        "premise": question.premise,
        "hypothesis": question.hypothesis,
        "label": label,
        "shots": [
            {
                "id": shot.id,
                "premise": shot.premise,
                "hypothesis": shot.hypothesis,
                "label": LABELS[shot.label],
            }
            for shot in question.shots
        ],
        "text": rendered.text,
        "pieces": [{"text": piece.text, "special": piece.special} for piece in rendered.pieces],
        "prompt_tokens": rendered.tokens,
        "positions": rendered.positions,
        "checks": [finding.to_json() for finding in rendered.findings],
        "answer": answered.text,
        "answer_label": answered.label,
        "tokens": answered.tokens,
        "ended": answered.ended,
        "seconds": answered.seconds,
        "first_token_seconds": answered.first_token_seconds,
        "tokens_per_second": answered.tokens_per_second,
        "peak_memory_bytes": answered.peak_memory_bytes,
        "sampling": asked.sampling.model_dump(),
        "label_probabilities": dict(scored.raw),
        "calibrated_probabilities": dict(scored.calibrated),
        "log_likelihoods": dict(scored.log_likelihoods),
        "notes": list(dict.fromkeys((*answered.notes, *scored.notes))),
    }

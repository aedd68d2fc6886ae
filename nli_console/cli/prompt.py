"""``nli-console prompt``: one pair, put to a language model: what it reads, says and finds likely."""

import sys
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from nli_console.cli.chat_choice import (
    Adapter,
    Choice,
    Model,
    Quantisation,
    Shots,
    check_shots,
    choose,
    chosen_seed,
)
from nli_console.cli.chat_session import ChatSession, fragments
from nli_console.cli.context import Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import note, pairs, say, say_json, table
from nli_console.data.chat import (
    Generate,
    Question,
    Render,
    Sampling,
    Score,
    refuse_empty,
    refuse_too_long,
)
from nli_console.data.resolve import resolve_dataset
from nli_console.data.spec import LABELS
from nli_console.errors import ConsoleError
from nli_console.methods.fields import describe, require
from nli_console.methods.icl import IclHyperparameters
from nli_console.supervisor.chat_events import Answered, Loaded, Rendered, Scored
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
    shots: Shots = 0,
    data: Annotated[
        str | None, Parameter(help="where the shots are taken from (default: the settings' data)")
    ] = None,
    seed: Annotated[
        int | None, Parameter(help="of the shots and of drawing (default: the settings')")
    ] = None,
    model: Model = None,
    adapter: Adapter = None,
    quantisation: Quantisation = None,
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
    number = chosen_seed(seed, context)
    drawing = {"max_new_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p, "top_k": top_k}
    sampling = _sampling(drawing, number)
    refuse_empty(premise, hypothesis)
    check_shots(shots)
    if data is not None and not shots:
        raise ConsoleError(f"--data {data}: only shots are taken from it; give --shots too, or leave it out")
    choice = choose(model, adapter, template, quantisation, context)
    spec = resolve_dataset(data or context.settings.values.defaults.data, context.settings) if shots else None
    with ChatSession(context.settings) as session:
        loaded = session.load(choice.load)
        examples = session.shots(spec, shots, number)
        question = Question(template=choice.template, premise=premise, hypothesis=hypothesis, shots=examples)
        result = _ask(session, choice, question, sampling, quiet=json)
    if json:
        say_json(_json(choice, question, sampling, loaded, label, *result))
    else:
        _say_scores(label, *result[1:])


def _ask(
    session: ChatSession, choice: Choice, question: Question, sampling: Sampling, *, quiet: bool
) -> tuple[Rendered, Answered, Scored]:
    load, folder = choice.load, choice.adapter_folder
    generate = Generate(prompt=question, sampling=sampling, adapter=folder)
    render = session.start(
        Render(
            model=load.model,
            model_name=load.model_name,
            prompt=question,
            max_new_tokens=sampling.max_new_tokens,
        )
    )
    rendered = session.wait(render, Rendered)
    # Before anything is shown: a prompt of many pages would push its error out of sight.
    refuse_too_long(rendered.tokens, rendered.positions)
    for finding in rendered.findings:
        note(f"{finding.severity} [{finding.id}] {finding.message}; {finding.suggestion}")
    if quiet:
        answered = session.wait(session.start(generate), Answered)
    else:
        by = "" if choice.adapter is None else f", adapter of {choice.adapter.run_id}"
        shots = f"{len(question.shots)} {'shot' if len(question.shots) == 1 else 'shots'}"
        say(f"prompt: {choice.template.name}, {shots}, {rendered.tokens:,} tokens{by}\n")
        say(rendered.marked)
        if rendered.only_text:
            names = ", ".join(f"\\{name}" for name in rendered.only_text)
            say(f"\n{names}: only text, no control token; it is read as the characters that it is")
        say("\nanswer:\n")
        # Asked for now and not before: a piece of the answer that came while nobody listened would be lost.
        answered = session.wait(session.start(generate), Answered, fragments(_write))
        say()
    scored = session.wait(session.start(Score(prompt=question, adapter=folder)), Scored)
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
    return Sampling(
        max_new_tokens=values.max_new_tokens,
        temperature=values.temperature,
        top_p=values.top_p,
        top_k=values.top_k,
        seed=seed,
    )


def _say_scores(label: str | None, answered: Answered, scored: Scored) -> None:
    speed = answered.tokens_per_second
    first = answered.first_token_seconds
    reading = [
        ("read as", _judged(answered.label, label) if answered.label else "no label"),
        ("tokens", f"{answered.tokens}, {ENDED[answered.ended]}"),
        ("first token", format_duration(first) if first is None or first >= 1 else f"{1000 * first:.0f} ms"),
        *([] if speed is None else [("tokens per second", f"{speed:.1f}")]),
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
    choice: Choice,
    question: Question,
    sampling: Sampling,
    loaded: Loaded,
    label: str | None,
    rendered: Rendered,
    answered: Answered,
    scored: Scored,
) -> dict[str, Any]:
    return {
        "model": choice.load.model_name,
        "quantisation": choice.load.quantisation,
        "precision": loaded.precision,
        "device": loaded.device,
        "weights_bytes": loaded.weights_bytes,
        "adapter": None if choice.adapter is None else choice.adapter.run_id,
        "template": choice.template.name,
        "template_digest": choice.template.digest,
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
        "sampling": sampling.model_dump(),
        "label_probabilities": dict(scored.raw),
        "calibrated_probabilities": dict(scored.calibrated),
        "log_likelihoods": dict(scored.log_likelihoods),
        "notes": list(dict.fromkeys((*answered.notes, *scored.notes))),
    }

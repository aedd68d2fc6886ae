"""A filter that was read, asked of runs; how it is read is in :mod:`nli_console.record.query`."""

from collections.abc import Callable
from dataclasses import dataclass

from nli_console.record.accuracy import headline_split
from nli_console.record.summary import RunSummary
from nli_console.text import format_accuracy

Test = Callable[[RunSummary], bool]


@dataclass(frozen=True)
class Query:
    """A filter that can be asked of runs; one without terms lets all of them pass."""

    text: str = ""
    words: tuple[tuple[str, bool], ...] = ()
    tests: tuple[tuple[Test, bool], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.words or self.tests)

    def matches(self, run: RunSummary, text: Callable[[RunSummary], str] | None = None) -> bool:
        """Whether ``run`` passes; ``text`` gives what bare words are looked for in (:func:`haystack`)."""
        for test, wanted in self.tests:
            if test(run) is not wanted:
                return False
        if not self.words:
            return True
        held = (text or haystack)(run)
        return all((word in held) is wanted for word, wanted in self.words)


def haystack(run: RunSummary) -> str:
    """What bare words are looked for in: the columns as shown or stored, id, data, tags, notes, warnings."""
    split = headline_split(run.accuracy)
    held = None if split is None else run.accuracy[split]
    accuracy = "" if held is None else format_accuracy(held.value, held.low, held.high)
    return (
        f"{run.state.state.value} {run.name} {run.id} {run.group or ''} {run.method_title} {run.evaluates} "
        f"{run.model} {run.data} "
        f"{accuracy} {run.trainable_parameters or ''} {' '.join(run.tags)} {run.notes} "
        f"{' '.join(f'{guard.severity} {guard.id}' for guard in run.guards)} {run.root}"
    ).casefold()

"""What a classifier answers while it is trained: counted on its device, read once an optimiser step."""

import torch

from nli_console.worker.guards import StepSeen


class Answers:
    """Adds up the passes of one optimiser step."""

    def __init__(self) -> None:
        self._counts: torch.Tensor | None = None
        self._range: torch.Tensor | None = None
        self._largest: torch.Tensor | None = None

    def add(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Take in one pass: logits of shape ``(batch, classes)``, labels of shape ``(batch,)``."""
        logits = logits.detach().float()
        # A constant added to all logits of a row changes nothing that is said of it.
        logits = logits - logits.mean(dim=-1, keepdim=True)
        classes = torch.arange(logits.shape[-1], device=logits.device)
        predicted = (logits.argmax(dim=-1, keepdim=True) == classes).sum(dim=0)
        gold = (labels[:, None] == classes).sum(dim=0)
        counts = torch.stack([predicted, gold])
        largest = logits.abs().amax()
        self._counts = counts if self._counts is None else self._counts + counts
        self._largest = largest if self._largest is None else torch.maximum(self._largest, largest)
        if len(logits) > 1:
            apart = (logits.amax(dim=0) - logits.amin(dim=0)).amax()
            self._range = apart if self._range is None else torch.maximum(self._range, apart)

    def take(self) -> StepSeen | None:
        """What was added since the last call; ``None`` where nothing was."""
        if self._counts is None or self._largest is None:
            return None
        predicted, gold = self._counts.tolist()
        seen = StepSeen(
            predicted, gold, None if self._range is None else float(self._range), float(self._largest)
        )
        self._counts = self._range = self._largest = None
        return seen

"""Lexical relations between the words of a sequence, as a training signal for every word.

Seeing which words of two sentences belong together decides their relation; asked for on the middle
layer, it is learnt long before the relation itself.
"""

from __future__ import annotations

import torch

from nli_console.data.demo.genres import GENRES, TIMES

NONE, UNDER, OVER, SAME = range(4)
"""What else the sequence holds for a word: nothing, its class, a member of its class, or the word itself."""

KINDS = 4


class Alignment:
    """Labels every token with the closest lexical relation it has to another token of its sequence."""

    def __init__(self, tokenizer) -> None:
        size = len(tokenizer)
        self.special = torch.tensor(tokenizer.all_special_ids)
        self.table = torch.zeros(size, size, dtype=torch.uint8)

        def tokens(word: str) -> list[int]:
            forms = [tokenizer(form, add_special_tokens=False)["input_ids"] for form in (word, f" {word}")]
            return [ids[0] for ids in forms if len(ids) == 1]

        def relate(first: str, second: str, kind: int, inverse: int) -> None:
            for a in tokens(first):
                for b in tokens(second):
                    self.table[a, b], self.table[b, a] = kind, inverse

        taxonomies = [TIMES]
        for genre in GENRES:
            places = {"indoors": genre.indoors, "outdoors": genre.outdoors}
            taxonomies += [genre.people, genre.objects, places]
            for verb in genre.verbs:
                for a in (verb.base, verb.past, verb.gerund):
                    for b in (verb.base, verb.past, verb.gerund):
                        relate(a, b, SAME, SAME)
        for taxonomy in taxonomies:
            for name, members in taxonomy.items():
                for member in members:
                    relate(member.split()[-1], name.split()[-1], UNDER, OVER)
        self.table.fill_diagonal_(SAME)

    def __call__(self, ids: torch.Tensor, *, causal: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Kind of each token and whether it is a word, both (B, L); causal looks at earlier tokens only."""
        words = ~torch.isin(ids, self.special)
        found = self.table[ids[:, :, None], ids[:, None, :]]
        length = ids.shape[1]
        allowed = ~torch.eye(length, dtype=torch.bool)
        if causal:
            allowed = allowed.tril()
        return (found * (allowed & words[:, None, :])).amax(-1).long(), words

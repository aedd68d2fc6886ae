"""A style sheet that parses each piece of CSS once.

Textual parses all of it again whenever a screen brings its own styles and whenever variables are set, also to
what they were: when the console opens that is six times.
"""

from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.css.types import CSSLocation


class StyleMemory(Stylesheet):
    """Textual's style sheet; what was parsed is kept for as long as the variables hold."""

    def __init__(self, *, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._kept: dict[tuple[str, CSSLocation, bool, int, str], list[RuleSet]] = {}

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables != self._variables:
            super().set_variables(variables)
            self._kept.clear()

    def reparse(self) -> None:
        self._invalid_css = set()
        self.parse()

    def _parse_rules(
        self,
        css: str,
        read_from: CSSLocation,
        is_default_rules: bool = False,
        tie_breaker: int = 0,
        scope: str = "",
    ) -> list[RuleSet]:
        key = (css, read_from, is_default_rules, tie_breaker, scope)
        if key not in self._kept:
            self._kept[key] = super()._parse_rules(css, read_from, is_default_rules, tie_breaker, scope)
        return self._kept[key]

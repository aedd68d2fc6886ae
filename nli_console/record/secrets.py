"""Hides tokens in text that is recorded, shown or exported."""

import re

HIDDEN = "[hidden]"

_TOKENS = re.compile(
    r"""
    \b(?:
        hf_[A-Za-z0-9]{30,}                       # Hugging Face
      | api_org_[A-Za-z0-9]{30,}
      | sk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}      # model providers
      | gh[pousr]_[A-Za-z0-9]{30,}                # GitHub
      | github_pat_[A-Za-z0-9_]{30,}
      | glpat-[A-Za-z0-9_-]{18,}                  # GitLab
      | AKIA[0-9A-Z]{16}                          # AWS
      | xox[abpr]-[A-Za-z0-9-]{10,}               # Slack
      | eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}   # JSON web token
    )
    """,
    re.VERBOSE,
)
_NAMED = re.compile(
    r"""
    (?P<name>\b[\w-]*(?:api[_-]?key|access[_-]?key|secret|token|password|passwd|credential)(?:_id)?
      ["']?\s*(?:[=:]\s*|\s)["']?(?:bearer\s+)?)
    (?P<value>[A-Za-z0-9_./+=-]{16,})
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<name>\bbearer\s+)(?P<value>[A-Za-z0-9_.~+/=-]{16,})", re.IGNORECASE)
_WANDB = re.compile(
    r"(?P<name>\b(?:wandb|login|key|relogin)\b[^\n]{0,60}?[\s=:\"'])(?P<value>[0-9a-f]{40})\b", re.I
)
_URL = re.compile(
    r"(?P<name>[a-z][a-z0-9+.-]*://[^/\s:@]{0,80}:)(?P<value>[^/\s@]{1,200})(?=@)", re.IGNORECASE
)
_HINTS = (
    "_",
    "-",
    "key",
    "token",
    "secret",
    "passw",
    "credential",
    "bearer",
    "login",
    "wandb",
    "://",
    "akia",
    "eyj",
)


def scrub(text: str) -> str:
    """``text`` with tokens, keys and passwords replaced by ``[hidden]``.

    Known shapes are hidden wherever they stand, other long values only behind a word such as ``token``,
    and 40 hexadecimal digits only behind ``wandb``, ``login`` or ``key`` (a commit looks the same).
    """
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return text
    text = _TOKENS.sub(HIDDEN, text)
    for pattern in (_NAMED, _BEARER, _WANDB, _URL):
        text = pattern.sub(_hide, text)
    return text


def scrub_arguments(arguments: list[str]) -> list[str]:
    """A command line with secrets hidden, those that stand alone behind an option such as ``--token`` too."""
    hidden: list[str] = []
    for argument in arguments:
        previous = hidden[-1] if hidden else ""
        # A pad token is a word of a vocabulary.
        if re.fullmatch(r"--?+(?!pad-token)[\w-]*(?:token|key|secret|password)", previous, re.IGNORECASE):
            hidden.append(HIDDEN)
        else:
            hidden.append(scrub(argument))
    return hidden


def _hide(match: re.Match[str]) -> str:
    value = match["value"]
    if HIDDEN in value or not _looks_secret(match.re, value):
        return match[0]
    return f"{match['name']}{HIDDEN}"


def _looks_secret(pattern: re.Pattern[str], value: str) -> bool:
    """A word or a path behind "token" is prose; a secret mixes digits and letters."""
    if pattern is not _NAMED:
        return True
    return any(char.isdigit() for char in value) and any(char.isalpha() for char in value)

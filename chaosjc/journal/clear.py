"""Secrets in clear, by the names that stand before them: what a file says of them, every journal would keep. Pure.

A value that is read where the program runs (`$NAME`, `$(cat FILE)`) is none, nor is the path of a file. A secret that
nothing names is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_SECRET = re.compile(
    r"(?:secret|token|password|passwd|passphrase|credentials?|signature|(?:access|api|auth|private)[-_]?key)$",
    re.IGNORECASE,
)
_NAMES = re.compile(r"(?:^no-|(?:existing|pull)[-_]?secret$)", re.IGNORECASE)  # `--no-password`; names of objects
_HEADER = re.compile(r"(?:auth|authorization|cookie)$", re.IGNORECASE)
_QUERY = re.compile(r"(?:^|[-_])(?:auth|sig|jwt)$", re.IGNORECASE)
_PAIR = re.compile(r"""[?&#]([\w.-]+)=(?=[^\s&#$`"'])""")
_PATH = re.compile(r"[~.]?/")
_SCHEME = re.compile(r"(?:basic|bearer|token)\s+[^\s$`]", re.IGNORECASE)

# Of a command's words, or of a script among them: how each tells a value, up to where that begins.
_VALUE = r"""["']?+(?=[^\s$`"'&;|)])(?![~.]?/|@)"""
_OPTION = re.compile(r"""(?<![\w.$-])--?([a-z][\w-]*)\s++(?!-)""" + _VALUE, re.IGNORECASE)
_ASSIGNED = re.compile(r"""(?<![\w.$])([a-z][\w.-]*)=""" + _VALUE, re.IGNORECASE)
_MEMBER = re.compile(r"""\\?["']([a-z][\w.-]*)\\?["']\s*+:\s*+\\?["'](?=[^\s$`"'\\])""", re.IGNORECASE)
_FIELD = re.compile(
    r"(?:(?<![\w-])|(?<=-H))([a-z]+(?:-[a-z0-9]+)+|authorization|cookie):\s*+(?:(?:basic|bearer|token|digest)\s++)?+(?:[\w.-]+=)?+"
    + _VALUE,
    re.IGNORECASE,
)
_URL_LOGIN = re.compile(r"""://[^\s/?#@:"']*+:(?![$`])[^\s/?#@"']+@""")
_CURL_LOGIN = re.compile(r"""\bcurl\s(?:.*\s)?(?:-u|--user)[ =]?["']?[^\s:$"']+:(?=[^\s$`"'])""", re.DOTALL)

LOGIN = "a login in a URL"


def named(name: str) -> bool:
    """Whether what is called so is a secret: a variable, an option, a member of an object."""
    return bool(_SECRET.search(name)) and not _NAMES.search(name)


def header(name: str, value: str) -> bool:
    """Whether a header tells one."""
    return named(name) or bool(_HEADER.search(name) or _SCHEME.match(value))


def variable(name: str, value: object) -> str:
    """What of a variable of a file is one, in a person's words; empty where nothing is."""
    if not isinstance(value, str) or not value:
        return ""
    if named(name) and not _PATH.match(value):
        return name
    return in_url(value) if value.startswith(("http://", "https://")) else ""


def in_url(url: str) -> str:
    """What of an http URL is one, in a person's words; empty where nothing is."""
    return LOGIN if "@" in url.split("/")[2] else _in_query(url)


def in_argv(argv: Sequence[str]) -> str:
    """What of a command is one, in a person's words; empty where nothing is."""
    text = " ".join(argv)
    if _URL_LOGIN.search(text):
        return LOGIN
    if _CURL_LOGIN.search(text):
        return "curl's login"
    names = [match[1] for kind in (_OPTION, _ASSIGNED, _MEMBER) for match in kind.finditer(text) if named(match[1])]
    fields = [match[1] for match in _FIELD.finditer(text) if header(match[1], "")]
    return next(iter((*names, *fields)), "") or _in_query(text)


def refuse_argv(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The same command; ValueError, which says what to do instead, where one is in it."""
    if what := in_argv(argv):
        how = "let the program read it where it runs, in a script `sh -c` from a variable, $$NAME, or a file"
        raise ValueError(f"{what} would be kept in the journal: {how}")
    return argv


def refuse_variables(values: Mapping[str, object]) -> None:
    """ValueError, which says what to do instead, where a variable has one."""
    for name, value in values.items():
        if what := variable(name, value):
            where = f"${name}" if what == name else f"{what} in ${name}"
            how = "read it where it lies, by `secret_headers` or within a command; what is no secret needs another name"
            raise ValueError(f"{where} would be kept in the journal: {how}")


def _in_query(text: str) -> str:
    pairs = (match[1] for match in _PAIR.finditer(text))
    return next((name for name in pairs if named(name) or _QUERY.search(name)), "")

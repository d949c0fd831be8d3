"""The literals of Python 2 in the spelling of Python 3.

Lines stay where they are, so that what is found wrong later can be told by its line.
"""

from __future__ import annotations

import codecs
import re

from persist.compat.python2_grammar import KEYWORD_MARK, Python2Error

__all__ = ["decode_python2", "python3_source"]

_COOKIE = re.compile(r"(?:[^\n]*\n)?[ \t\f]*#[^\n]*?coding[:=][ \t]*([-\w.]+)", re.ASCII)
_BOM = "\ufeff"

_TOKEN = re.compile(
    r"""
      (?P<comment> \#[^\n]* )
    | (?<!\w) (?P<prefix> [uUbB]?[rR] | [uUbB] | )
      (?P<literal>
          '''[^'\\]*(?:(?:\\[\s\S]|'(?!''))[^'\\]*)*'''
        | \"\"\"[^"\\]*(?:(?:\\[\s\S]|"(?!""))[^"\\]*)*\"\"\"
        | '(?!'')[^'\\\n]*(?:\\[\s\S][^'\\\n]*)*'
        | "(?!"")[^"\\\n]*(?:\\[\s\S][^"\\\n]*)*"
      )
    | (?P<integer> 0[xX][0-9a-fA-F]+ | 0[bB][01]+ | 0[oO][0-7]+ | [0-9]+ ) [lL]? (?![\w.])
    | (?P<float> (?: [0-9]+\.?[0-9]* | \.[0-9]+ ) (?: [eE][+-]?[0-9]+ )? [jJ]? )
    | (?P<keyword> \b(?:async|await|nonlocal)\b )
    | (?P<name> [A-Za-z_]\w* )
    | (?P<stray> ['"`] | [^\x00-\x7f] )
    """,
    re.VERBOSE | re.ASCII,
)

# An escape that Python 3 does not read as Python 2 did, once pairs of backslashes are taken out.
_ESCAPES = r"""[abfnrtv'"\n] | x[0-9a-fA-F]{2} | (?![4-7][0-7]{2})[0-7]"""
_TEXT_ESCAPES = r"u[0-9a-fA-F]{4} | U[0-9a-fA-F]{8} | N\{"
_ODD = re.compile(rf"\\(?!{_ESCAPES})", re.VERBOSE)
_ODD_IN_TEXT = re.compile(rf"\\(?!{_ESCAPES} | {_TEXT_ESCAPES})", re.VERBOSE)

_ESCAPE = re.compile(r"\\(?:(?P<octal>[0-7]{1,3})|(?P<letter>[\s\S]))")
_RAW_ESCAPE = re.compile(r"\\([\s\S])")
_STRAY = "which begins no string and no name of Python 2"
_KNOWN = "\\abfnrtvx'\"\n"

# Python reads at least 640 digits of a decimal number, whatever its limit is.
_DIGITS = 600


def decode_python2(text: str | bytes, filename: str = "<archive>") -> str:
    """Return the text of a file of Python 2: Latin-1, unless it says otherwise.

    Python2Error if it is not in the encoding that it names.
    """
    if isinstance(text, bytes):
        return _decode(text, filename)
    try:
        text.encode()
    except UnicodeEncodeError:
        # What was read as UTF-8 with surrogateescape becomes the bytes that it was.
        try:
            return _decode(text.encode("utf-8", "surrogateescape"), filename)
        except UnicodeEncodeError as error:
            line = _line(text, error.start)
            raise Python2Error("found half of a surrogate pair", line, filename) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, filename: str) -> str:
    encoding = _named_encoding(data[:1000].decode("utf-8", "replace"))
    try:
        text = data.decode(encoding)
    except (LookupError, UnicodeDecodeError) as error:
        raise Python2Error(f"found {error}", 1, filename) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _named_encoding(text: str) -> str:
    """Return the encoding in the first two lines of a text, which may have a mark before them."""
    if text.startswith(_BOM):
        return "utf-8"
    cookie = _COOKIE.match(text[:1000])
    return cookie[1] if cookie else "latin-1"


def _is_latin1(text: str) -> bool:
    try:
        return codecs.lookup(_named_encoding(text)).name == "iso8859-1"
    except LookupError:
        return False


def python3_source(text: str, filename: str = "<archive>") -> str:
    r"""Return Python 2 text, as `decode_python2` gives it, with literals respelled for Python 3.

    A ``'…'`` of Python 2 holds bytes. It becomes text, each byte a character of Latin-1. What
    cannot have been one byte becomes ``u'…'``. Python2Error if there are characters or strings that
    Python 2 does not read.

    Examples
    --------
    >>> print(python3_source(r"x = [0777, 12L, ur'\d', '\u1', 'a']"))
    x = [0o777, 12, u'\\d', '\\u1', 'a']
    """
    beyond = re.compile(r"[^\x00-\xff]" if _is_latin1(text) else r"[^\x00-\x7f]")
    text = text.removeprefix(_BOM)
    if (position := text.find("\0")) >= 0:
        raise Python2Error("found a null character", _line(text, position), filename)

    def respell(match: re.Match[str]) -> str:
        kind = match.lastgroup
        if kind == "literal":
            return _literal(match["prefix"].lower(), match["literal"], beyond)
        if kind == "integer":
            return _integer(match["integer"])
        if kind == "keyword":
            return KEYWORD_MARK + match[0]
        if kind == "stray":
            line = _line(text, match.start())
            raise Python2Error(f"found {match[0]}, {_STRAY}", line, filename)
        return match[0]

    return _TOKEN.sub(respell, text)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _integer(digits: str) -> str:
    if not digits.isdigit():
        return digits
    if digits[0] == "0" and len(digits) > 1:
        return "0o" + digits[1:]
    return digits if len(digits) <= _DIGITS else hex(_decimal(digits))


def _decimal(digits: str) -> int:
    if len(digits) <= _DIGITS:
        return int(digits)
    half = len(digits) // 2
    shift: int = 10**half
    return _decimal(digits[:-half]) * shift + _decimal(digits[-half:])


def _literal(prefix: str, literal: str, beyond: re.Pattern[str]) -> str:
    kind = prefix.replace("r", "")
    width = 3 if literal[:3] in ("'''", '"""') else 1
    body = literal[width:-width]
    if not kind and beyond.search(body):
        kind = "u"
    if "r" not in prefix:
        body = _respelled(body, kind)
    elif kind == "u":
        body = _without_raw(body, is_text="u" in prefix)
    else:
        kind = prefix
    return kind + literal[:width] + body + literal[-width:]


def _respelled(body: str, kind: str) -> str:
    """Return the inside of a literal with the escapes that Python 3 reads in the same way."""
    odd = _ODD_IN_TEXT if kind == "u" else _ODD
    if not odd.search(body.replace("\\\\", "..")):
        return body
    known = _KNOWN + ("uUN" if kind == "u" else "")

    def respell(match: re.Match[str]) -> str:
        if match["letter"]:
            return match[0] if match["letter"] in known else "\\" + match[0]
        code = int(match["octal"], 8)
        if code < 256:
            return match[0]
        # Python 2 keeps the low byte of what is too large for one.
        return rf"\u{code:04x}" if kind == "u" else rf"\x{code & 255:02x}"

    return _ESCAPE.sub(respell, body)


def _without_raw(body: str, is_text: bool) -> str:
    """Return the inside of a raw literal as that of one with escapes."""

    def respell(match: re.Match[str]) -> str:
        letter = match[1]
        if letter == "\n":
            return "\\\\\\n\\\n"
        # In raw text of Python 2, these are still the codes of characters.
        if is_text and letter in "uU":
            return match[0]
        return "\\\\" + ("\\" + letter if letter in "\\'\"" else letter)

    return _RAW_ESCAPE.sub(respell, body)

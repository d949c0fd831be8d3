"""A chain as one Python file, which needs numpy, joblib and the classes of its artifacts."""

from __future__ import annotations

import base64
import inspect
import pprint
import re
from typing import Any

from persist.files import write_text
from persist.tracking import delimited, prediction
from persist.tracking.encodings import encode
from persist.tracking.fitted import FittedChain

__all__ = ["write_script"]

_LINE = 88  # characters of base64

_TEMPLATE = '''\
"""Predict with {model_class}: python {name} input.csv [output.csv]

{title}
The artifacts below are pickles, written by joblib: run this file only if you trust its maker.
"""

import base64
import io
import sys

import joblib

INFO = {info}

# The names of the columns that it was fitted to; None if these had none.
FEATURES = {features}

# In order: what it is for, its fold and weight, and its bytes.
ARTIFACTS = {artifacts}

_loaded = []

# How fitted objects predict together.

{prediction}


# How a text file holds a table.

{delimited}


def load():
    """Return the artifacts as (kind, fold, weight, object)."""
    if not _loaded:
        for step, kind, fold, weight, text in ARTIFACTS:
            data = base64.b64decode("".join(text.split()))
            _loaded.append((step, kind, fold, weight, joblib.load(io.BytesIO(data))))
    return _loaded


def predict(X):
    """Return predictions for X, an array or frame of shape (n_samples, n_features)."""
    steps, models, weights, last = [], [], [], None
    for step, kind, _, weight, obj in load():
        if kind == "model":
            models.append(obj)
            weights.append(weight)
        elif step == last:
            steps[-1][1].append(obj)
        else:
            steps.append((kind, [obj]))
        last = step
    return predict_named(FEATURES, steps, models, weights, X)


def read_table(path):
    """Return the cells of a CSV file: a frame if its first line names them, else an array."""
    with open(path, "rb") as file:
        lines = decoded(file.read())
    separator, decimal, header = find_form(lines, None, None, None, MISSING)
    rows = split_lines(lines, separator)
    names = [name.lstrip("# ") for name in rows[0]]
    if FEATURES is not None and 2 * len(set(FEATURES) & set(names)) > len(FEATURES):
        header = True
    rows = rows[1:] if header else rows
    columns = range(len(names))
    if not rows or any(len(row) != len(names) for row in rows):
        raise ValueError("cannot read %s: its rows have no cells, or are of several lengths" % path)
    if FEATURES is not None and header and set(FEATURES) <= set(names):
        known = set(FEATURES)
        columns = [column for column in columns if names[column] in known]
    elif not names[0] and header:
        columns = columns[1:]
    table = []
    for column in columns:
        texts = [row[column] for row in rows]
        cells = [cell_number(text, decimal, MISSING) for text in texts]
        if None in cells:
            cells = [None if text in MISSING else text for text in texts]
        table.append(cells)
    cells = list(zip(*table))
    names = [names[column] for column in columns]
    if FEATURES is None or not header:
        return numpy.array(cells, float)
    try:
        import pandas
    except ImportError:
        if names != FEATURES:
            raise ValueError("cannot predict: the columns of %s are not FEATURES" % path)
        return numpy.array(cells, float)
    return pandas.DataFrame(cells, columns=names)


def main(arguments):
    """Predict for the table of a file, and write or print the predictions."""
    if len(arguments) not in (1, 2):
        print("usage: {name} input.csv [output.csv]", file=sys.stderr)
        return 2
    y = predict(read_table(arguments[0]))
    lines = [",".join(str(cell) for cell in numpy.atleast_1d(row)) for row in y]
    text = "\\n".join(lines) + "\\n"
    if len(arguments) == 2:
        with open(arguments[1], "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
'''


def _source(module: Any) -> str:
    """Return the text of a module from its imports on, without ``__all__``."""
    text = inspect.getsource(module)
    start = re.search("^import ", text, re.MULTILINE)
    assert start is not None
    return re.sub(
        r"^__all__ = \[.*?\]\n\n+", "", text[start.start() :], flags=re.MULTILINE | re.DOTALL
    )


def write_script(path: str, name: str, chain: FittedChain, info: dict[str, Any]) -> None:
    """Write a script with ``predict(X)`` and a command line, which replaces a file that is there.

    Its documentation has its `name`, and its ``INFO`` what `info` says: text and numbers.
    """
    models, weights = chain.voters()
    entries: list[tuple[int, str, str | None, float, str]] = [
        (step.index, step.kind.value, None, 1.0, _text(transformer))
        for step in chain.steps
        for transformer in step.transformers
    ]
    entries += [
        (chain.model_step, "model", str(number), weight, _text(model))
        for number, (model, weight) in enumerate(zip(models, weights, strict=True))
    ]
    filled = _TEMPLATE.format(
        model_class=_plain(chain.model_class),
        name=_plain(name),
        title=_plain(f"Chain {info.get('chain_id', '')}."),
        info=pprint.pformat(info, width=_LINE, sort_dicts=False),
        features=pprint.pformat(
            None if chain.feature_names is None else list(chain.feature_names),
            width=_LINE,
            compact=True,
        ),
        prediction=_source(prediction).rstrip(),
        delimited=_source(delimited).rstrip(),
        artifacts="[\n" + "".join(map(_entry, entries)) + "]",
    )
    write_text(path, filled)


def _entry(entry: tuple[int, str, str | None, float, str]) -> str:
    *head, text = entry
    shown = "".join(f'\n        "{line}"' for line in text.split())
    return f"    ({', '.join(map(repr, head))}, {shown}),\n"


def _text(obj: Any) -> str:
    text = base64.b64encode(b"".join(encode(obj, "joblib"))).decode()
    return "\n".join(text[i : i + _LINE] for i in range(0, len(text), _LINE))


def _plain(text: str) -> str:
    """Return text that can stand in a string of source, whatever it says."""
    return "".join(c if c.isprintable() and c not in "\\\"'" else "?" for c in text)

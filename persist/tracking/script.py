"""A chain as one Python file, which needs numpy, joblib and the classes of its artifacts."""

from __future__ import annotations

import base64
import pprint
from typing import Any

from persist.files import write_text
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
import numpy as np

INFO = {info}

# In order: what it is for, its fold and weight, and its bytes.
ARTIFACTS = {artifacts}

_loaded = []


def load():
    """Return the artifacts as (kind, fold, weight, object)."""
    if not _loaded:
        for step, kind, fold, weight, text in ARTIFACTS:
            data = base64.b64decode("".join(text.split()))
            _loaded.append((step, kind, fold, weight, joblib.load(io.BytesIO(data))))
    return _loaded


def predict(X):
    """Return predictions for X, an array of shape (n_samples, n_features)."""
    X = np.array(X, copy=True)
    targets, models, weights, added, last = [], [], [], [], None
    for step, kind, _, weight, obj in load():
        if added and step != last:
            X, added = np.hstack([X] + added), []
        last = step
        if kind == "features":
            X = obj.transform(X)
        elif kind == "feature_augmentation":
            added.append(obj.transform(X))
        elif kind == "y_processing":
            targets.append(obj)
        else:
            models.append(obj)
            weights.append(weight)
    y = combine(models, weights, X)
    for obj in reversed(targets):
        if hasattr(obj, "classes_") or y.ndim > 1:
            y = obj.inverse_transform(y)
        else:
            y = obj.inverse_transform(y.reshape(-1, 1)).reshape(y.shape)
    return y


def combine(models, weights, X):
    """Return the mean of what models predict; classifiers vote."""
    if len(models) == 1:
        return np.asarray(models[0].predict(X))
    if not all(hasattr(m, "classes_") for m in models):
        found = [np.asarray(m.predict(X)) for m in models]
        if len(set(weights)) == 1:
            return np.mean(found, axis=0)
        return np.average(found, axis=0, weights=weights)
    classes = models[0].classes_
    alike = all(np.array_equal(m.classes_, classes) for m in models)
    if alike and all(hasattr(m, "predict_proba") for m in models):
        chances = [m.predict_proba(X) for m in models]
        return classes[np.average(chances, axis=0, weights=weights).argmax(axis=1)]
    labels = np.unique(np.concatenate([m.classes_ for m in models]))
    votes = np.zeros((len(X), len(labels)))
    for m, weight in zip(models, weights):
        votes[np.arange(len(X)), np.searchsorted(labels, m.predict(X))] += weight
    return labels[votes.argmax(axis=1)]


def read_table(path):
    """Return the numbers of a CSV file; a first line of names is left out."""
    with open(path, encoding="utf-8-sig") as file:
        lines = [line.strip() for line in file if line.strip()]
    separator = ";" if ";" in lines[0] else ","
    rows = [line.split(separator) for line in lines]
    try:
        [float(cell) for cell in rows[0]]
    except ValueError:
        rows = rows[1:]
    return np.array([[float(cell or "nan") for cell in row] for row in rows])


def main(arguments):
    """Predict for the table of a file, and write or print the predictions."""
    if len(arguments) not in (1, 2):
        print("usage: {name} input.csv [output.csv]", file=sys.stderr)
        return 2
    y = predict(read_table(arguments[0]))
    lines = [",".join(str(cell) for cell in np.atleast_1d(row)) for row in y]
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


def write_script(path: str, name: str, chain: FittedChain, info: dict[str, Any]) -> None:
    """Write a script that predicts, with ``predict(X)`` and a command line.

    Parameters
    ----------
    path : str
        The file, which is replaced if it is there.
    name : str
        Its name, for its documentation.
    chain : FittedChain
        What predicts.
    info : dict
        What to say of it: text and numbers.
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

"""Restores graphs in a process of its own, without persist, and compares what came back.

Usage: python child.py FOLDER MODULE, with a pickle of ``(ordered, trials)`` on standard input. A
trial is the snapshots that a graph may have, its pickle, and its sources. Prints a pickle of an
outcome for each: the snapshot of what came from the pickle, and from each source, or "same" where
that is the same or may be. A snapshot is one line, an error, if nothing came back.
"""

import importlib
import pickle
import sys


def load(function):
    try:
        return function()
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def execute(source):
    env = {}
    exec(compile(source, "<archive>", "exec"), env)
    return env["x"]


def main(folder, name):
    sys.modules["persist"] = None
    sys.path.insert(0, folder)
    snapshot = importlib.import_module(name).snapshot
    ordered, trials = pickle.load(sys.stdin.buffer)
    outcomes = []
    for wanted, data, sources in trials:
        pickled = data and load(lambda data=data: snapshot(pickle.loads(data), ordered))
        found = [
            source and load(lambda source=source: snapshot(execute(source), ordered))
            for source in sources
        ]
        outcomes.append((pickled, ["same" if f in (*wanted, pickled) else f for f in found]))
    pickle.dump(outcomes, sys.stdout.buffer)


if __name__ == "__main__":
    main(*sys.argv[1:])

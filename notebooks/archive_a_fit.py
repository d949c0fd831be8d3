"""Fit a classifier to Fisher's irises and archive it, with its data, as an importable package.

Usage: python archive_a_fit.py DIRECTORY
"""

import sys

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from persist import Archive


def main(directory: str) -> None:
    irises = load_iris()
    model = LogisticRegression(max_iter=1000).fit(irises.data, irises.target)
    archive = Archive(scoped=False, array_threshold=100)
    archive.insert(
        measurements=irises.data,
        species=irises.target,
        columns=irises.feature_names,
        model=model,
        coefficients={
            str(name): dict(zip(irises.feature_names, row, strict=True))
            for name, row in zip(irises.target_names, model.coef_.tolist(), strict=True)
        },
    )
    archive.save(directory, name="iris", force=True)
    print(f"Wrote the package {directory}/iris")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Training sessions: data, pipelines, folds, workers, and what of them is recorded.

The store below knows nothing of this package; `run` fills a store through its public methods.
"""

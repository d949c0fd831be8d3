"""Classes and graphs that are drawn, and what pickle and an archive make of them.

`kinds` draws classes and writes their source, after that of `support`, into a module. `graphs`
draws and builds graphs of their objects. `trial` stores them in this process, and `child` restores
them in another, where persist cannot be imported. All that is drawn is described in plain data,
from which `shrink` takes away what a failure does not need.
"""

"""What the table holds: one module per library, with `OBJECTS` and `check`.

`OBJECTS` has functions that make the objects, each the same in every process.
`check(found, wanted)` compares two of them as the library does, and raises an AssertionError.
Nothing here imports persist: the archives are also read where it cannot be imported.
"""

"""What older releases wrote and called.

Modules of other packages import from here inside of functions only, so that a program that uses
nothing old loads nothing of it.
"""

"""Fuzzing of every reader of bytes from outside.

    python -m funnel_assets_tests.fuzzing TARGET --seconds N     coverage-guided, with atheris
    python -m funnel_assets_tests.fuzzing --list                 the targets

``corpus/<target>/`` holds inputs that once broke something, or that reach what others don't; an ordinary test replays
them. What a run finds and stops at is kept as ``<target>-crash-…`` in the working folder: mend the reader, then move
the file into the corpus under a name that says what it is.
"""

"""Which column of a file is which, and what changed about a file's columns.

Belongs here: matching names, and reporting drift between two versions of a source. Does not belong here: reading
files (``tabular``) or what a value means (contracts).
"""

import unicodedata


def column_key(name: str) -> str:
    """Reduce a column name to what all its spellings share.

    Case, width, spacing, underscores and punctuation go: ``Lead_Mobile``, ``leadMobile`` and ``lead mobile`` meet.
    Letters of any alphabet stay, with their marks.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in folded if char.isalnum() or unicodedata.category(char)[0] == "M")

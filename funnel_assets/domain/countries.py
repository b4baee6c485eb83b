"""Countries by code and by name: whose national phone numbers somebody types (SPEC 9, Phones).

Belongs here: which codes there are, and the names people know them by. Does not belong here: what a country's numbers
look like (``domain.phone``).
"""

import difflib
import functools

HOME = "IN"
"""Country of national numbers where no setting says another: two letters, as ISO 3166 has them."""

_OTHER_NAMES = {
    "uk": "GB",
    "england": "GB",
    "great britain": "GB",
    "us": "US",
    "u.s.": "US",
    "usa": "US",
    "u.s.a.": "US",
    "america": "US",
    "united states of america": "US",
    "uae": "AE",
    "ind": "IN",
    "bharat": "IN",
}


def is_country(code: str) -> bool:
    """Return whether this is the code of a country whose phone numbers are known, like IN or US."""
    # Imported when it is needed: reading the settings must not wait for it.
    import phonenumbers

    return code in phonenumbers.SUPPORTED_REGIONS


def country_code(text: str) -> str | None:
    """Return the code of a country that people name (``United States``, ``usa``, ``us``); None for any other text."""
    name = text.strip().lower()
    return _codes_by_name().get(name) or (name.upper() if is_country(name.upper()) else None)


def country_advice(text: str) -> str:
    """Return what to write instead of something that isn't a country's code."""
    names = _codes_by_name()
    near = difflib.get_close_matches(text.strip().lower(), names, n=1, cutoff=0.75)
    return f" (did you mean {names[near[0]]}?)" if near else " (codes are two letters, like IN, US or GB)"


@functools.cache
def _codes_by_name() -> dict[str, str]:
    """Return country codes by name in English, in lower case."""
    from phonenumbers.geodata.locale import LOCALE_DATA

    named = {}
    for code, names in LOCALE_DATA.items():
        name = names.get("en", "")
        # A name that is the same in another language is written down once.
        name = names[name[1:]] if name.startswith("*") else name
        if is_country(code):
            named[name.lower()] = code
    return named | _OTHER_NAMES

"""How people and systems type names, e-mail addresses and phone numbers.

Belongs here: turning true values into the text found in exports, with every known way of getting it wrong.
Does not belong here: which row gets which mistake on purpose (the story says).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.simulate import words
from funnel_assets.simulate.csvtext import Text, choose, glue, numbers, padded, pc
from funnel_assets.simulate.edtech_catalogue import PLACEHOLDERS
from funnel_assets.simulate.edtech_story import STAFF, phone_of
from funnel_assets.simulate.rand import Bools, Draws, Ints, share

PHONE_STYLES = (
    "plain",
    "apostrophe_plus",
    "apostrophe_plus_spaced",
    "leading_zero",
    "country_code",
    "country_code_dash",
    "plus_spaced",
    "spaced",
    "plus_dash",
    "wrong_country",
    "plus_minus",
    "float",
    "form_prefix",
    "placeholder",
    "not_available",
    "empty",
    "scientific",
    "too_short",
)
_STYLE = {name: code for code, name in enumerate(PHONE_STYLES)}
LOST_FROM = _STYLE["placeholder"]
SCIENTIFIC = _STYLE["scientific"]
PHONE_ISSUES = ("",) * LOST_FROM + (
    "phone_placeholder",
    "phone_missing",
    "phone_missing",
    "phone_scientific",
    "phone_too_short",
)

# Weights in 1/1000, in the order of PHONE_STYLES.
SHEET_STYLES = (505, 70, 60, 45, 60, 30, 45, 30, 25, 5, 4, 6, 80, 14, 5, 7, 4, 5)
ZOOM_STYLES = (520, 130, 90, 25, 80, 10, 40, 35, 20, 8, 5, 0, 0, 12, 12, 8, 0, 5)
CRM_STYLES = (800, 0, 0, 20, 120, 10, 0, 5, 20, 0, 0, 15, 0, 3, 0, 3, 3, 1)
SALES_STYLES = (845, 0, 0, 10, 115, 5, 0, 5, 10, 0, 0, 7, 0, 0, 0, 0, 3, 0)


def phone_styles(draw: Draws, size: int, weights: Sequence[int]) -> Ints:
    """Draw how each phone is typed."""
    return draw.pick(size, weights)


def phones(number: Ints, foreign: Bools, style: Ints) -> Text:
    """Type phone numbers.

    Args:
        number: Country code and number as one integer.
        foreign: Where true, the number is typed with a plus whatever the style, unless the style loses it.
        style: Index into `PHONE_STYLES` for each number.
    """
    digits = padded(number % 10_000_000_000, 10)
    head, tail = pc.utf8_slice_codeunits(digits, 0, 5), pc.utf8_slice_codeunits(digits, 5, 10)
    abroad = glue("+", numbers(number))
    code = np.where(foreign & (style < LOST_FROM), len(PHONE_STYLES), style)
    return choose(
        code,
        digits,
        glue("'+91", digits),
        glue("'+91 ", head, " ", tail),
        glue("0", digits),
        glue("91", digits),
        glue("91-", digits),
        glue("+91 ", head, " ", tail),
        glue(head, " ", tail),
        glue("+91-", digits),
        glue("'+44 91 ", head, " ", tail),
        glue("\u00b191", digits),
        glue(digits, ".0"),
        glue("p:+91", digits),
        *junk_phones(number),
        scientific(number, 12),
        pc.utf8_slice_codeunits(digits, 0, 8),
        abroad,
    )


def junk_phones(number: Ints) -> tuple[Text, str, str]:
    """What is typed where no phone is given, in the order of `faults.junk`: a placeholder, words, nothing."""
    return pa.array(PLACEHOLDERS).take(pa.array(number % len(PLACEHOLDERS))), "NA", ""


def scientific(number: Ints, digits: int) -> Text:
    """Show numbers of so many digits as a spreadsheet does: ``9.19877E+11``."""
    unit = 10 ** (digits - 6)
    shown = padded((number + unit // 2) // unit, 6)
    head, tail = pc.utf8_slice_codeunits(shown, 0, 1), pc.utf8_slice_codeunits(shown, 1, 6)
    return glue(head, ".", tail, f"E+{digits - 1}")


class Writers:
    """What every person's name, addresses and numbers truly are; person -1 is ops testing the form."""

    def __init__(self, seed: int, people: pd.DataFrame) -> None:
        self._seed = seed
        self._people = people
        self.size = len(people)
        tester = {
            "first": 0,
            "last": 0,
            "city": 0,
            "domain": 0,
            "company": 0,
            "foreign": False,
            "kin": 0,
            "kind": 0,
        }
        rows = pd.concat([people, pd.DataFrame([tester])], ignore_index=True)
        self._first, self._last = np.array(rows["first"], np.int64), np.array(rows["last"], np.int64)
        crew = np.flatnonzero(rows["kind"] == STAFF)
        self._first[crew] = len(words.FIRST_NAMES) + np.arange(len(crew))
        self._last[crew] = len(words.LAST_NAMES) + np.arange(len(crew))
        self._first_names = pa.array([*words.FIRST_NAMES, *(name.split()[0] for name in words.STAFF)])
        self._last_names = pa.array([*words.LAST_NAMES, *(name.split()[1] for name in words.STAFF)])
        self._domain, self._city = rows["domain"].to_numpy(np.int64), rows["city"].to_numpy(np.int64)
        self._kin, self._kind = rows["kin"].to_numpy(np.int64), rows["kind"].to_numpy(np.int64)
        self._foreign = rows["foreign"].to_numpy(bool)
        self.company = rows["company"].to_numpy(np.int64)

    def first_names(self, person: Ints) -> Text:
        """Given names."""
        return self._first_names.take(pa.array(self._first[person]))

    def last_names(self, person: Ints) -> Text:
        """Family names."""
        return self._last_names.take(pa.array(self._last[person]))

    def cities(self, person: Ints) -> Text:
        """Cities people live in."""
        return pa.array(words.CITIES).take(pa.array(self._city[person]))

    def emails(self, person: Ints, second: Bools | None = None) -> Text:
        """E-mail addresses in lower case; the second one of people who have two where ``second``."""
        other = np.zeros(len(person), dtype=bool) if second is None else second
        domain = (self._domain[person] + np.where(other, 1, 0)) % len(words.MAIL_DOMAINS)
        first, last = pc.utf8_lower(self.first_names(person)), pc.utf8_lower(self.last_names(person))
        own = glue(first, ".", last, numbers(person), "@")
        short = glue(first, numbers(person), ".alt@")
        host = pa.array(words.MAIL_DOMAINS).take(pa.array(domain))
        staff = glue(first, ".", last, "@academy.example.org")
        plain = glue(pc.if_else(pa.array(other), short, own), host)
        return pc.if_else(pa.array(self._kind[person] == STAFF), staff, plain)

    def mistyped_emails(self, person: Ints) -> Text:
        """E-mail addresses with the domain misspelt."""
        return glue(
            pc.utf8_lower(self.first_names(person)),
            ".",
            pc.utf8_lower(self.last_names(person)),
            numbers(person),
            "@",
            pa.array(words.MISTYPED_DOMAINS).take(pa.array(self._domain[person])),
        )

    def numbers(self, person: Ints, new: Bools | None = None) -> tuple[Ints, Bools]:
        """Return the phone each person gives (country code and number) and whether it is foreign.

        Args:
            person: People.
            new: Where true, the number they changed to.
        """
        kin = self._kin[person]
        foreign = self._foreign[kin]
        slot = kin if new is None else np.where(new, self.size + 1 + person, kin)
        return phone_of(self._seed, slot, foreign), foreign

    def typed_names(self, draw: Draws, person: Ints) -> Text:
        """Full names as typed: mostly well, some in capitals, some with stray spaces, commas or no family name."""
        first, last = self.first_names(person), self.last_names(person)
        full = glue(first, " ", last)
        style = draw.pick(len(person), [800, 60, 60, 25, 30, 20, 5])
        return choose(
            style,
            full,
            pc.utf8_lower(full),
            pc.utf8_upper(full),
            glue(" ", first, "  ", last, " "),
            first,
            glue(last, ", ", first),
            glue(first, ' "', last, '"'),
        )

    def typed_emails(self, draw: Draws, person: Ints, second: Bools, wrong: Bools) -> tuple[Text, Ints]:
        """E-mail addresses as typed, and the code of how: 5 is mistyped, 6 empty, 7 no address at all."""
        true = self.emails(person, second)
        style = draw.pick(len(person), [810, 70, 40, 40, 15, 6, 14, 5])
        style = np.where(wrong, 5, style)
        text = choose(
            style,
            true,
            pc.utf8_capitalize(true),
            pc.utf8_upper(true),
            glue(true, " "),
            pc.replace_substring(true, "@mail", "@Mail"),
            self.mistyped_emails(person),
            "",
            "na",
        )
        return text, style


def two_addresses(draw: Draws, people: pd.DataFrame, person: Ints) -> Bools:
    """Say which rows use the second address of a person who has two."""
    has = np.concatenate([people["two_mails"].to_numpy(bool), [False]])[person]
    return has & draw.chance(len(person), share(50))

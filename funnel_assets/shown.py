"""Text from outside, made safe to show.

Belongs here: which characters never reach a screen, a page, a file for people or a log. Does not belong here: hiding
personal data (`masking`), or what a store can hold.

A terminal obeys escape codes, and some characters turn the text around them: a campaign could clear the screen, colour
its own figures or show one name as another. Each becomes U+FFFD, so that it is seen that something was there.
"""

import re
from typing import Any

from markupsafe import Markup

_HARMFUL = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # all controls but tab and line feed
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction marks, embeddings and overrides
    "\u2028\u2029"  # line and paragraph separators
    "\U000e0000-\U000e007f"  # tags, which nobody sees
)
_PATTERN = re.compile(f"[{_HARMFUL}\ud800-\udfff]")
ARROW_PATTERN = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x{9f}\x{061c}\x{200e}\x{200f}\x{202a}-\x{202e}"
    r"\x{2066}-\x{2069}\x{2028}\x{2029}\x{e0000}-\x{e007f}]"
)
"""The same as a pattern of RE2, for columns; Arrow's text holds no halves of surrogate pairs."""

REPLACEMENT = "\ufffd"


def shown(text: str) -> str:
    """Return a text in which every control character but tabs and line ends, and every turning one, is U+FFFD."""
    if text.isprintable() and text.isascii():
        return text
    return _PATTERN.sub(REPLACEMENT, text.replace("\r\n", "\n"))


def shown_in_page(value: Any) -> Any:
    """Do the work of `shown` on a value that a template writes; markup stays markup."""
    if isinstance(value, Markup):
        return Markup(shown(str(value)))  # noqa: S704 - it was markup, and no character that is put in means anything
    return shown(value) if isinstance(value, str) else value

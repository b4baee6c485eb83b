"""Personal data and secrets made safe to show (SPEC 3: logs and metadata never hold them).

Belongs here: every function that hides a value before a person or a log sees it.
"""

import re
from urllib.parse import urlsplit, urlunsplit

_PHONE = re.compile(r"\+?\d[\d\s().-]{7,}\d")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\b")
_AMOUNT = re.compile(r"\d{1,9}\.\d{1,2}")
# Ids that are made of more than digits, in which ten digits in a row are chance: a UUID, a hash.
_MADE_ID = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[0-9]*[a-f][0-9]*[a-f])[0-9a-f]{16,})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_MOST_PHONE_DIGITS = 15  # E.164
# Each begins where no other could have begun before, and gives nothing back: a megabyte without a blank is read once.
_QUOTED_LOCAL = r"\"(?:[^\"\\]|\\.){1,64}+\""
_PLAIN_LOCAL = r"(?<![^\s@,;:<>\"'=])[^\s@,;:<>\"'=]++"
_EMAIL = re.compile(rf"(?:{_QUOTED_LOCAL}|{_PLAIN_LOCAL})@[^\s@,;:<>\"']+")


def mask_phone(phone: str | None) -> str:
    """Show only the last two digits: ``919876543210`` gives ``**********10``."""
    if not phone:
        return ""
    return "*" * max(len(phone) - 2, 0) + phone[-2:]


def mask_email(email: str | None) -> str:
    """Show the first letter and the domain's end: ``asha@example.com`` gives ``a***@***.com``."""
    if not email:
        return ""
    local, _, domain = email.partition("@")
    return f"{local[:1]}***@***.{domain.rpartition('.')[2]}"


def mask_text(text: str) -> str:
    """Mask every phone number and e-mail address inside a longer text; ids, hashes and amounts stay readable."""
    masked = _EMAIL.sub(lambda found: mask_email(found.group()), text)
    parts, at = [], 0
    for made in _MADE_ID.finditer(masked):
        parts += [_PHONE.sub(_mask_if_phone, masked[at : made.start()]), made.group()]
        at = made.end()
    return "".join([*parts, _PHONE.sub(_mask_if_phone, masked[at:])])


def _mask_if_phone(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found.group())
    if len(digits) < 10 or _ISO_DATE.match(found.group()) or _AMOUNT.fullmatch(found.group()):
        return found.group()
    # Longer than any phone: an ad platform's or a payment's id. With blanks in it, it may be two phones.
    if found.group() == digits and len(digits) > _MOST_PHONE_DIGITS:
        return digits
    return mask_phone(digits)


def redact_url(url: str) -> str:
    """Drop user, password, query and fragment of a URL: what is left says where, and no secret."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        # A broken address may hold its secret anywhere.
        return "(an address that can't be read)"
    netloc = f"{host}:{port}" if port else host
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))

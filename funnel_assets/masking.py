"""Personal data and secrets made safe to show (SPEC 3: logs and metadata never hold them).

Belongs here: every function that hides a value before a person or a log sees it.
"""

import re
from urllib.parse import urlsplit, urlunsplit

_PHONE = re.compile(r"\+?\d[\d\s().-]{7,}\d")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\b")
_EMAIL = re.compile(r"[^\s@,;:<>\"'=]+@[^\s@,;:<>\"']+")


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
    """Mask every phone number and e-mail address inside a longer text."""
    masked = _EMAIL.sub(lambda found: mask_email(found.group()), text)
    return _PHONE.sub(_mask_if_phone, masked)


def _mask_if_phone(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found.group())
    if len(digits) < 10 or _ISO_DATE.match(found.group()):
        return found.group()
    return mask_phone(digits)


def redact_url(url: str) -> str:
    """Drop user, password, query and fragment of a URL: what is left says where, and no secret."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    netloc = f"{host}:{parts.port}" if parts.port else host
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))

"""Telling people: a message to a webhook, once per cause (SPEC 3; ``FUNNEL_ALERT_WEBHOOK``).

Belongs here: wording the envelope, not repeating oneself, and never failing because nobody could be told. Does not
belong here: what is worth telling.
"""

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

import requests

from funnel_assets.config.settings import Settings
from funnel_assets.masking import mask_text, redact_url
from funnel_assets.shown import shown
from funnel_assets.storage.files import recall, write_whole

log = logging.getLogger(__name__)

# The same cause is told again after a week: by then it is news that it still holds.
QUIET = dt.timedelta(days=7)
TIMEOUT_SECONDS = 10.0
LONGEST_TEXT = 3000


class Alerts:
    """Posts to the webhook of the settings; does nothing without one.

    Args:
        settings: Where the webhook and the memory of what was told are.
        post: Sends a JSON body to a URL; tests pass their own.
    """

    def __init__(self, settings: Settings, post: Callable[[str, dict[str, str]], None] | None = None) -> None:
        self._settings = settings
        self._post = post or _post
        self._memory = Path(settings.home) / "alerts.json"

    def tell(self, cause: str, text: str) -> bool:
        """Tell people something, unless this cause was told already.

        Args:
            cause: What makes two alerts the same.
            text: What happened and what to do; personal data in it is masked.

        Returns:
            Whether a message went out.
        """
        if not self._settings.alert_webhook:
            return False
        now = self._settings.clock()
        told = recall(self._memory, lambda content: _lately(content, now)) or {}
        key = hashlib.sha256(cause.encode()).hexdigest()[:24]
        if key in told:
            return False
        try:
            self._post(self._settings.alert_webhook, {"text": shown(mask_text(text))[:LONGEST_TEXT]})
        except requests.RequestException as error:
            # Whoever should be told isn't told: that must not also fail the night's run.
            log.warning(
                "No alert: %s answered %s.", redact_url(self._settings.alert_webhook), type(error).__name__
            )
            return False
        write_whole(self._memory, json.dumps({**told, key: now.isoformat()}).encode())
        return True


def _lately(content: dict[str, str], now: dt.datetime) -> dict[str, str]:
    """Return what was told lately; nothing when the clock went back behind it, or it would be quiet for ever."""
    return {
        key: at
        for key, at in content.items()
        if dt.timedelta(0) <= now - dt.datetime.fromisoformat(at) < QUIET
    }


def _post(url: str, body: dict[str, str]) -> None:
    requests.post(url, json=body, timeout=TIMEOUT_SECONDS).raise_for_status()

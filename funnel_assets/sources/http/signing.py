"""Signing in, and keeping what signs us in out of every log."""

import base64
import contextlib
import ipaddress
import logging
import os
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from funnel_assets.errors import ConfigError
from funnel_assets.masking import redact_url
from funnel_assets.sources.http.request import HttpRequest

log = logging.getLogger(__name__)

_LOUD_LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry", "requests")


def read_secret(request: HttpRequest) -> str | None:
    """Read the token at call time, so that a rotated one is used without a restart."""
    if request.auth is None:
        return None
    value = os.environ.get(request.auth.env, "").strip()
    problem = None
    if not value:
        problem = f"The environment variable {request.auth.env}, which holds this source's token, is not set."
    elif not value.isprintable() or not value.isascii():
        problem = f"The environment variable {request.auth.env} holds characters that no token has."
    if problem:
        raise ConfigError(
            problem,
            dataset=request.dataset,
            source=request.source,
            fix=f"set {request.auth.env} in the environment or in .env, then run again.",
        )
    if urlsplit(request.url).scheme == "http" and not _is_local(urlsplit(request.url).hostname or ""):
        log.warning("%s: the token travels unencrypted; use https.", redact_url(request.url))
    return value


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def signed(request: HttpRequest, secret: str | None) -> tuple[str, dict[str, str]]:
    """Return the URL and the secret headers that carry the token."""
    url, headers = request.url, {}
    parts = urlsplit(url)
    if parts.username is not None:
        pair = f"{parts.username}:{parts.password or ''}"
        headers["Authorization"] = "Basic " + base64.b64encode(unquote(pair).encode()).decode()
        netloc = parts.netloc.rpartition("@")[2]
        url = urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))
        parts = urlsplit(url)
    auth = request.auth
    if auth is None or secret is None:
        return url, headers
    if auth.kind == "bearer":
        headers["Authorization"] = f"Bearer {secret}"
    elif auth.kind == "header":
        headers[str(auth.name)] = secret
    elif auth.kind == "basic":
        pair = f"{auth.user}:{secret}" if auth.user else secret
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    else:
        query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != auth.name]
        query.append((str(auth.name), secret))
        url = urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))
    return url, headers


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep queries and user parts of URLs out of the HTTP libraries' logs for a while."""
    hide = _HideQueries()
    loggers = [logging.getLogger(name) for name in _LOUD_LOGGERS]
    for logger in loggers:
        logger.addFilter(hide)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(hide)


class _HideQueries(logging.Filter):
    """Cuts queries and user parts out of what the HTTP libraries log (they log whole URLs at DEBUG)."""

    _URL = re.compile(r"(?P<path>[a-z]+://[^\s?#]*|/[^\s?#]*)[?#][^\s\"']*", re.I)
    _USER = re.compile(r"://[^\s/@]+@")

    def filter(self, record: logging.LogRecord) -> bool:
        text = self._URL.sub(lambda m: m["path"], record.getMessage())
        record.msg, record.args = self._USER.sub("://", text), ()
        record.exc_info = None
        return True

"""Getting a body over HTTP: whole, in bounded time and size, or an error that says why not.

Belongs here: requests, retries, deadlines, sign-in by environment variable, and every way a server can
answer with something that isn't the data. Does not belong here: what the body means (``tabular``) or where it
is kept (``storage.landing``).

Two rules shape the package (SPEC 3 and 4). A body is the data or it is an error: a login page, an error page
and a cut-off body never reach a reader. And no secret leaves it: library exceptions hold URLs and headers, so
errors are raised outside ``except`` blocks, where nothing is chained to them.

This module decides whether to try again; `exchange` is one try.
"""

import dataclasses
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from funnel_assets.errors import ConfigError, FunnelError
from funnel_assets.masking import redact_url
from funnel_assets.sources.http.exchange import try_once
from funnel_assets.sources.http.failure import Failure
from funnel_assets.sources.http.request import Auth, FetchResult, HttpPolicy, HttpRequest
from funnel_assets.sources.http.signing import quiet_libraries, read_secret
from funnel_assets.sources.http.sink import opened

__all__ = ["Auth", "FetchResult", "HttpPolicy", "HttpRequest", "fetch"]

log = logging.getLogger(__name__)


def fetch(
    request: HttpRequest,
    sink: BinaryIO | Path,
    *,
    policy: HttpPolicy | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> FetchResult:
    """Fetch a body into a file, whole or not at all.

    A `Path` is written under a temporary name beside it and renamed when the body is complete. A stream must
    be seekable; it is emptied back to where it stood when an attempt fails.

    Args:
        request: What to fetch and how to sign in.
        sink: Where the unpacked body goes.
        policy: Patience and limits.
        sleep: Waits between attempts; tests pass their own.

    Raises:
        SourceUnavailable: Nothing usable came, but another try later may work.
        SourceBroken: What came isn't the data, or never will be (sign-in, not found, a page, an empty body,
            too large, a bad certificate).
        ConfigError: The environment variable of the token is missing, or the URL is none.
    """
    policy = policy or HttpPolicy()
    _check_url(request)
    secret = read_secret(request)
    started = time.monotonic()
    deadline = started + policy.deadline_s
    with quiet_libraries(), opened(sink) as out:
        for attempt in range(1, policy.attempts + 1):
            outcome = try_once(request, secret, policy, out, deadline)
            if isinstance(outcome, FetchResult):
                out.keep(not outcome.not_modified)
                return dataclasses.replace(outcome, attempts=attempt, seconds=time.monotonic() - started)
            wait = _wait_before_next(outcome, attempt, policy, deadline)
            if wait is None:
                raise _error(request, outcome, attempt)
            log.warning("%s: %s Trying again in %.1f s.", redact_url(request.url), outcome.message, wait)
            sleep(wait)
    raise AssertionError("the loop above returns or raises")


def _error(request: HttpRequest, failure: Failure, attempts: int) -> FunnelError:
    tried = f" (tried {attempts} times)" if attempts > 1 else ""
    message = failure.message.rstrip(".") + tried + "."
    return failure.kind(
        message, dataset=request.dataset, source=request.source, file=redact_url(request.url), fix=failure.fix
    )


def _wait_before_next(failure: Failure, attempt: int, policy: HttpPolicy, deadline: float) -> float | None:
    """Return the seconds to wait, or None when another attempt can't help or has no time left."""
    if not failure.retry or attempt >= policy.attempts:
        return None
    if failure.retry_after_s is not None:
        if failure.retry_after_s > policy.retry_after_max_s:
            return None
        # A little later than asked: many clients told the same second must not return in the same one.
        wait = failure.retry_after_s + _jitter(0, min(1.0, policy.backoff_s))
    else:
        ceiling = min(policy.backoff_max_s, policy.backoff_s * 2 ** (attempt - 1))
        wait = _jitter(ceiling / 2, ceiling)
    return wait if time.monotonic() + wait < deadline else None


def _jitter(low: float, high: float) -> float:
    return random.uniform(low, high)  # noqa: S311 - spreads load, guards nothing


def _check_url(request: HttpRequest) -> None:
    problem = None
    try:
        parts = urlsplit(request.url)
        _ = parts.port
        if parts.scheme not in ("http", "https") or not parts.hostname:
            problem = "is not an http or https URL"
    except ValueError:
        problem = "can't be read as a URL"
    if problem:
        raise ConfigError(
            f"The location of this source {problem}.",
            dataset=request.dataset,
            source=request.source,
            fix="correct `url:` in sources.yaml.",
        )

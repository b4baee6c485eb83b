"""Getting a body over HTTP: whole, in bounded time and size, or an error that says why not.

Belongs here: requests, retries, deadlines, sign-in by environment variable, and every way a server can
answer with something that isn't the data. Does not belong here: what the body means (``tabular``) or where it
is kept (``storage.landing``).

Two rules shape the module (SPEC 3 and 4). A body is the data or it is an error: a login page, an error page
and a cut-off body never reach a reader. And no secret leaves it: library exceptions hold URLs and headers, so
errors are raised outside ``except`` blocks, where nothing is chained to them.
"""

import base64
import contextlib
import datetime as dt
import email.utils
import functools
import hashlib
import http.client
import ipaddress
import logging
import math
import os
import random
import re
import socket
import ssl
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from funnel_assets.errors import ConfigError, FunnelError, SourceBroken, SourceUnavailable
from funnel_assets.masking import redact_url
from funnel_assets.sources import sniff

log = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 16
_RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LOGIN_WORDS = re.compile(
    r"(?:^|[/._-])(?:login|logon|signin|sign[-_]in|log[-_]in|servicelogin|sso|saml2?|oauth2?|authorize|authenticate)"
    r"(?:$|[/._-])",
    re.I,
)
_LOGIN_HOSTS = frozenset({"accounts", "login", "signin", "auth", "sso", "idp"})
_LOUD_LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry", "requests")


@dataclass(frozen=True)
class Auth:
    """How a request signs in. Holds names only; the secret itself stays in the environment until it is sent.

    Attributes:
        kind: ``bearer`` (``Authorization``), ``header`` (any header), ``query`` (URL parameter), ``basic``.
        env: Name of the environment variable with the token; for ``basic`` the password, or ``user:password``
            where ``user`` isn't given.
        name: Header or query parameter name, for ``header`` and ``query``.
        user: User name for ``basic``.
    """

    kind: Literal["bearer", "header", "query", "basic"]
    env: str
    name: str | None = None
    user: str | None = None

    def __post_init__(self) -> None:
        if self.kind in ("header", "query") and not self.name:
            raise ConfigError(
                f"Authentication by {self.kind} has no name.",
                fix=f"add `name:` with the {self.kind} name that the server expects.",
            )


@dataclass(frozen=True, repr=False)
class HttpRequest:
    """One thing to fetch.

    Attributes:
        url: http or https URL. May itself hold a secret (a signed link): it is never shown unredacted.
        auth: How to sign in; None for an open URL.
        headers: Extra headers, not secret.
        etag: ``ETag`` of the last fetch; the server may then answer "not modified".
        last_modified: ``Last-Modified`` of the last fetch, likewise.
        source: Source name for messages.
        dataset: Dataset name for messages.
    """

    url: str
    auth: Auth | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    last_modified: str | None = None
    source: str | None = None
    dataset: str | None = None

    def __repr__(self) -> str:
        return f"HttpRequest({redact_url(self.url)!r}, auth={self.auth!r}, source={self.source!r})"


@dataclass(frozen=True)
class HttpPolicy:
    """Patience and limits. Times in seconds.

    Attributes:
        connect_timeout_s: For one connection attempt.
        read_timeout_s: For silence between two pieces of a body.
        deadline_s: For everything: all attempts, waits and the slowest of bodies.
        max_bytes: Largest accepted body, after unpacking.
        attempts: How often to try in all.
        backoff_s: First wait; doubles with each attempt.
        backoff_max_s: Longest wait of our own choosing.
        retry_after_max_s: Longest wait a server may ask for; more than that ends the fetch.
        max_redirects: Redirects followed in one attempt.
        verify: True, or the path of a CA bundle to trust.
        user_agent: What we call ourselves.
    """

    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    deadline_s: float = 900.0
    max_bytes: int = 1 << 30
    attempts: int = 5
    backoff_s: float = 1.0
    backoff_max_s: float = 60.0
    retry_after_max_s: float = 300.0
    max_redirects: int = 10
    verify: bool | str = True
    user_agent: str = "funnel-assets"


@dataclass(frozen=True)
class FetchResult:
    """What came back. Every URL in it is redacted.

    Attributes:
        url: Asked for.
        final_url: Answered, after redirects.
        status: HTTP status, 200 or 304.
        not_modified: True when the server said that the body is the one we have; nothing was written then.
        bytes: Size of the body after unpacking.
        wire_bytes: Size as sent.
        sha256: Of the unpacked body; empty when not modified.
        content_type: As the server states it, or None.
        etag: For the next conditional fetch.
        last_modified: Likewise.
        length_checked: True when the protocol itself proved that the body is whole (length or chunks). False
            for the old style where the end of the connection ends the body; only its content can then show a
            cut.
        attempts: How many were needed.
        fetched_at: UTC moment at which the successful attempt was sent: the body is at least as new as this.
        seconds: Time for everything.
    """

    url: str
    final_url: str
    status: int
    not_modified: bool
    bytes: int
    wire_bytes: int
    sha256: str
    content_type: str | None
    etag: str | None
    last_modified: str | None
    length_checked: bool
    attempts: int
    fetched_at: dt.datetime
    seconds: float


@dataclass
class _Failure:
    """A failed attempt, described without holding the exception that told us."""

    message: str
    fix: str
    retry: bool
    retry_after_s: float | None = None
    kind: type[FunnelError] = SourceBroken


class _Failed(Exception):
    """Carries a `_Failure` out of nested calls inside one attempt."""

    def __init__(self, failure: _Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


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
    secret = _read_secret(request)
    started = time.monotonic()
    deadline = started + policy.deadline_s
    with _quiet_libraries(), _opened(sink) as out:
        for attempt in range(1, policy.attempts + 1):
            outcome = _attempt(request, secret, policy, out, deadline)
            if isinstance(outcome, FetchResult):
                out.keep(not outcome.not_modified)
                return _timed(outcome, attempt, time.monotonic() - started)
            wait = _wait_before_next(outcome, attempt, policy, deadline)
            if wait is None:
                raise _error(request, outcome, attempt)
            log.warning("%s: %s Trying again in %.1f s.", redact_url(request.url), outcome.message, wait)
            sleep(wait)
    raise AssertionError("the loop above returns or raises")


def _timed(result: FetchResult, attempts: int, seconds: float) -> FetchResult:
    return FetchResult(**{**result.__dict__, "attempts": attempts, "seconds": seconds})


def _error(request: HttpRequest, failure: _Failure, attempts: int) -> FunnelError:
    tried = f" (tried {attempts} times)" if attempts > 1 else ""
    message = failure.message.rstrip(".") + tried + "."
    return failure.kind(
        message, dataset=request.dataset, source=request.source, file=redact_url(request.url), fix=failure.fix
    )


def _wait_before_next(failure: _Failure, attempt: int, policy: HttpPolicy, deadline: float) -> float | None:
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


# --- secrets --------------------------------------------------------------------------------------


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


def _read_secret(request: HttpRequest) -> str | None:
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


def _signed(request: HttpRequest, secret: str | None) -> tuple[str, dict[str, str]]:
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


class _HideQueries(logging.Filter):
    """Cuts queries and user parts out of what the HTTP libraries log (they log whole URLs at DEBUG)."""

    _URL = re.compile(r"(?P<path>[a-z]+://[^\s?#]*|/[^\s?#]*)[?#][^\s\"']*", re.I)
    _USER = re.compile(r"://[^\s/@]+@")

    def filter(self, record: logging.LogRecord) -> bool:
        text = self._URL.sub(lambda m: m["path"], record.getMessage())
        record.msg, record.args = self._USER.sub("://", text), ()
        record.exc_info = None
        return True


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    hide = _HideQueries()
    loggers = [logging.getLogger(name) for name in _LOUD_LOGGERS]
    for logger in loggers:
        logger.addFilter(hide)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(hide)


# --- the file that is written ---------------------------------------------------------------------


class _Out:
    """A sink that can be emptied for the next attempt."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.start = stream.tell()
        self.kept = False

    def rewind(self) -> None:
        self.stream.seek(self.start)
        self.stream.truncate()

    def keep(self, kept: bool) -> None:
        self.kept = kept


@contextlib.contextmanager
def _opened(sink: BinaryIO | Path) -> Iterator[_Out]:
    if not isinstance(sink, Path):
        out = _Out(sink)
        try:
            yield out
        finally:
            if not out.kept:
                out.rewind()
        return
    handle, name = tempfile.mkstemp(prefix=f".{sink.name}.", suffix=".part", dir=sink.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "w+b") as stream:
            out = _Out(stream)
            yield out
        if out.kept:
            part.replace(sink)
    finally:
        part.unlink(missing_ok=True)


# --- one attempt ----------------------------------------------------------------------------------


def _attempt(
    request: HttpRequest, secret: str | None, policy: HttpPolicy, out: _Out, deadline: float
) -> FetchResult | _Failure:
    """Try once. Returns what went wrong rather than raising it, so that no library exception is chained."""
    guard = _Guard()
    timer = threading.Timer(max(deadline - time.monotonic(), 0.0), guard.expire)
    timer.daemon = True
    timer.start()
    failure: _Failure
    try:
        with requests.Session() as session:
            adapter = _GuardedAdapter(guard)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            # Without this requests would add a password from ~/.netrc that nobody configured.
            session.auth = _no_auth
            return _exchange(session, request, secret, policy, out, guard)
    except _Failed as failed:
        failure = failed.failure
    except (requests.RequestException, HTTPError, http.client.HTTPException, OSError) as problem:
        failure = _explain(problem, policy, urlsplit(request.url).hostname or "")
    finally:
        timer.cancel()
        guard.close()
    if guard.expired:
        return _Failure(
            f"The answer was not complete within {policy.deadline_s:g} s, though bytes may have trickled in",
            "try again later; if the file is that large, raise `deadline_s` for this source.",
            retry=False,
            kind=SourceUnavailable,
        )
    return failure


def _no_auth(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    return prepared


def _exchange(
    session: requests.Session,
    request: HttpRequest,
    secret: str | None,
    policy: HttpPolicy,
    out: _Out,
    guard: "_Guard",
) -> FetchResult:
    out.rewind()
    fetched_at = dt.datetime.now(dt.UTC)
    response = _follow(session, request, secret, policy)
    with contextlib.closing(response):
        _check_status(response, request)
        unchanged = response.status_code == 304
        body = _Body(0, 0, "", True) if unchanged else _receive(response, policy, out, guard)
    return FetchResult(
        url=redact_url(request.url),
        final_url=redact_url(response.url),
        status=response.status_code,
        not_modified=response.status_code == 304,
        bytes=body.bytes,
        wire_bytes=body.wire_bytes,
        sha256=body.sha256,
        content_type=response.headers.get("Content-Type"),
        etag=response.headers.get("ETag") or (request.etag if response.status_code == 304 else None),
        last_modified=response.headers.get("Last-Modified")
        or (request.last_modified if response.status_code == 304 else None),
        length_checked=body.length_checked,
        attempts=1,
        fetched_at=fetched_at,
        seconds=0.0,
    )


def _follow(
    session: requests.Session, request: HttpRequest, secret: str | None, policy: HttpPolicy
) -> requests.Response:
    """Send the request and follow redirects by hand.

    requests would send a custom token header on to whatever host a redirect names, and would fetch the login
    page that we only want to recognise.
    """
    url, secret_headers = _signed(request, secret)
    origin = _origin(url)
    plain = {
        "User-Agent": policy.user_agent,
        "Accept": "*/*",
        "Accept-Encoding": "gzip",
        "Connection": "close",
        **request.headers,
    }
    if request.etag:
        plain["If-None-Match"] = request.etag
    if request.last_modified:
        plain["If-Modified-Since"] = request.last_modified
    for _ in range(policy.max_redirects + 1):
        headers = {**plain, **secret_headers} if _origin(url) == origin else plain
        response = session.get(
            url,
            headers=headers,
            stream=True,
            allow_redirects=False,
            timeout=(policy.connect_timeout_s, policy.read_timeout_s),
            verify=policy.verify,
        )
        target = response.headers.get("Location")
        if response.status_code not in _REDIRECTS or not target:
            return response
        response.close()
        # A server that closes without saying so would reset the next request if it reused this connection.
        session.close()
        target = urljoin(url, target)
        _check_redirect(url, target, request)
        url = target
    raise _Failed(
        _Failure(
            f"The server redirected more than {policy.max_redirects} times",
            "open the link in a browser and put the address it ends at into sources.yaml.",
            retry=False,
        )
    )


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def _check_redirect(url: str, target: str, request: HttpRequest) -> None:
    here, there = urlsplit(url), urlsplit(target)
    if there.scheme not in ("http", "https") or not there.hostname:
        raise _Failed(_Failure("The server redirected to what isn't a web address", _FIX_LINK, retry=False))
    asked = urlsplit(request.url)
    if _is_login(there.hostname, there.path) and not _is_login(asked.hostname or "", asked.path):
        raise _Failed(
            _Failure(
                f"The server sent us to a login page ({there.hostname}{there.path}) instead of the data",
                _fix_sign_in(request),
                retry=False,
            )
        )
    if here.scheme == "https" and there.scheme == "http":
        raise _Failed(
            _Failure("The server redirected from https to unencrypted http", _FIX_LINK, retry=False)
        )


def _is_login(host: str, path: str) -> bool:
    first_label = host.lower().partition(".")[0]
    return first_label in _LOGIN_HOSTS or bool(_LOGIN_WORDS.search(path))


_FIX_EXPORT = "check the export at its origin, then run this day again."
_FIX_LINK = "open the link in a browser, and put the address of the file itself into sources.yaml."


def _fix_sign_in(request: HttpRequest) -> str:
    if request.auth is None:
        return (
            "if it is a sheet, share it with anyone who has the link, or use the CSV link of "
            "File > Share > Publish to web; otherwise add `auth:` to this source in sources.yaml."
        )
    return f"check that the token in {request.auth.env} is the current one and may read this, then run again."


def _check_status(response: requests.Response, request: HttpRequest) -> None:
    status = response.status_code
    if status in (200, 203) or (status == 304 and (request.etag or request.last_modified)):
        return
    retry_after = _retry_after(response.headers.get("Retry-After"))
    if status in _RETRIED_STATUSES:
        asked = f" and asked us to come back in {retry_after:.0f} s" if retry_after is not None else ""
        what = "said that we ask too often" if status == 429 else "has a problem of its own"
        raise _Failed(
            _Failure(
                f"The server {what} (HTTP {status}){asked}",
                "wait, then run this day again; if it goes on, tell whoever runs that server.",
                retry=True,
                retry_after_s=retry_after,
                kind=SourceUnavailable,
            )
        )
    raise _Failed(_Failure(*_final_status(status, request), retry=False))


def _final_status(status: int, request: HttpRequest) -> tuple[str, str]:
    if status == 401:
        return "The server doesn't accept our token, or wants one (HTTP 401)", _fix_sign_in(request)
    if status == 403:
        return "The server knows us but refuses this file (HTTP 403)", _fix_sign_in(request)
    if status in (404, 410):
        return f"There is nothing at this address (HTTP {status})", "correct `url:` in sources.yaml."
    if status == 204:
        return "The server answered with no content (HTTP 204)", _FIX_EXPORT
    return (
        f"The server answered HTTP {status}, which is not the data",
        "open the link in a browser to see what it says, then correct sources.yaml.",
    )


def _retry_after(value: str | None) -> float | None:
    """Read a ``Retry-After`` header: whole seconds, or an HTTP date. Seconds from now, never negative."""
    if not value:
        return None
    value = value.strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d+)?", value):
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max((moment - dt.datetime.now(dt.UTC)).total_seconds(), 0.0)


# --- the body -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Body:
    bytes: int
    wire_bytes: int
    sha256: str
    length_checked: bool


def _receive(response: requests.Response, policy: HttpPolicy, out: _Out, guard: "_Guard") -> _Body:
    """Stream the body into the sink, unpacking it, and prove it whole as far as the protocol allows."""
    stated = _stated_length(response)
    if stated is not None and stated > policy.max_bytes:
        raise _too_large(policy)
    unpack = _unpacker(response)
    digest, head, wire, size = hashlib.sha256(), b"", 0, 0
    while raw := response.raw.read(_CHUNK_BYTES, decode_content=False):
        wire += len(raw)
        # At most one byte over the limit is ever unpacked: a small gzip can hold a huge body.
        for piece in unpack.feed(raw, policy.max_bytes - size + 1):
            size += len(piece)
            if size > policy.max_bytes:
                raise _too_large(policy)
            if len(head) < sniff.HEAD_BYTES:
                head += piece[: sniff.HEAD_BYTES - len(head)]
            digest.update(piece)
            _write(out, piece)
    _check_whole(wire, stated, unpack, guard)
    _check_content(head, size)
    _write(out, b"", flush=True)
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return _Body(size, wire, digest.hexdigest(), stated is not None or chunked or unpack.packed)


def _stated_length(response: requests.Response) -> int | None:
    value = response.headers.get("Content-Length", "")
    if "chunked" in response.headers.get("Transfer-Encoding", "").lower():
        return None
    return int(value) if re.fullmatch(r"\d+", value.strip()) else None


def _write(out: _Out, piece: bytes, *, flush: bool = False) -> None:
    problem = None
    try:
        out.stream.write(piece)
        if flush:
            out.stream.flush()
    except OSError as failed:
        problem = failed.strerror or type(failed).__name__
    if problem:
        raise _Failed(
            _Failure(
                f"The body can't be written to disk ({problem})",
                "free disk space or correct the folder's permissions, then run again.",
                retry=False,
                kind=FunnelError,
            )
        )


def _too_large(policy: HttpPolicy) -> _Failed:
    return _Failed(
        _Failure(
            f"The body is larger than the limit of {policy.max_bytes / 1e6:,.1f} MB",
            "check that the link is the right one; if it is, raise `max_bytes` for this source.",
            retry=False,
        )
    )


def _cut(text: str) -> _Failed:
    return _Failed(
        _Failure(
            f"The body is cut off: {text}",
            "run this day again; if it goes on, tell whoever runs that server.",
            retry=True,
            kind=SourceUnavailable,
        )
    )


def _check_whole(wire: int, stated: int | None, unpack: "_Unpacker", guard: "_Guard") -> None:
    if stated is not None and wire != stated:
        raise _cut(f"{wire} of {stated} bytes came")
    if guard.surplus:
        raise _cut(f"the server announced {stated} bytes and went on sending after them")
    if not unpack.whole:
        raise _cut("the compressed data stops in the middle")


def _check_content(head: bytes, size: int) -> None:
    if size == 0 or not head.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise _Failed(_Failure("The body is empty", _FIX_EXPORT, retry=False))
    if sniff.looks_like_html(head):
        page = sniff.describe_page(head)
        fix = (
            "share the sheet with anyone who has the link, or check the token of this source, then run again."
            if page == "a login page"
            else _FIX_LINK
        )
        message = f"The server answered with {page} (HTML) instead of the data"
        raise _Failed(_Failure(message, fix, retry=False))


class _Unpacker:
    """Undoes Content-Encoding gzip or deflate piece by piece, several gzip members included."""

    def __init__(self, encoding: str) -> None:
        self.packed = encoding in ("gzip", "x-gzip", "deflate")
        self._gzip = encoding != "deflate"
        self._engine = self._new() if self.packed else None
        self._fed = False

    def _new(self) -> Any:
        return zlib.decompressobj(zlib.MAX_WBITS | (16 if self._gzip else 0))

    @property
    def whole(self) -> bool:
        return self._engine is None or self._engine.eof or not self._fed

    def feed(self, raw: bytes, limit: int) -> Iterator[bytes]:
        """Yield unpacked pieces, `limit` bytes at most in all."""
        if self._engine is None:
            yield raw
            return
        broken = False
        while raw and limit > 0 and not broken:
            if self._engine.eof:
                # Zero padding after the last member is allowed by gzip's own tool.
                if not raw.strip(b"\x00"):
                    return
                self._engine = self._new()
            self._fed = True
            try:
                piece = self._engine.decompress(raw, min(limit, 1 << 20))
            except zlib.error:
                broken = True
                continue
            limit -= len(piece)
            raw = self._engine.unconsumed_tail or self._engine.unused_data
            if piece:
                yield piece
        if broken:
            raise _cut("its compression can't be undone")


def _unpacker(response: requests.Response) -> _Unpacker:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity", "gzip", "x-gzip", "deflate"):
        return _Unpacker(encoding)
    raise _Failed(
        _Failure(
            f"The server compressed the body in a way we did not ask for ({encoding[:20]!r})",
            "tell whoever runs that server to send gzip or plain text.",
            retry=False,
        )
    )


# --- the connection -------------------------------------------------------------------------------


class _Guard:
    """Cuts the connection at the deadline, and notices bytes sent after the announced end.

    A read timeout only bounds silence: a server that sends one byte a minute, in its headers or in its body,
    would hold a run for days. Shutting the socket down from a timer ends any read, wherever it is.
    """

    def __init__(self) -> None:
        self.expired = False
        self.surplus = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()

    def watch(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.append(sock)
        if self.expired:
            self.expire()

    def expire(self) -> None:
        with self._lock:
            self.expired = True
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    # The plain socket's shutdown: an SSLSocket's own one is not safe from another thread.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            self._sockets.clear()

    def look_past_end(self, stream: Any) -> None:
        """Look for bytes after the announced length; we asked for one answer, so there should be none."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.settimeout(0.2)
            # Line ends after a body are an old servers' habit and cut nothing.
            self.surplus = bool(stream.peek(1).strip(b"\r\n"))


class _CountedResponse(http.client.HTTPResponse):
    """A response that looks past its announced end before it closes."""

    def __init__(self, *args: Any, guard: _Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard

    def _close_conn(self) -> None:
        ended = self.status == 200 and self.length == 0 and not self.chunked
        if ended and self.fp is not None and self.headers.get("Content-Length", "0").strip() != "0":
            self._guard.look_past_end(self.fp)
        super()._close_conn()  # type: ignore[misc]


class _GuardedAdapter(HTTPAdapter):
    """requests' adapter over connections that report to a `_Guard`."""

    def __init__(self, guard: _Guard) -> None:
        self._pools = _pools(guard)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(guard: _Guard) -> dict[str, Any]:
    class PlainConnection(HTTPConnection):
        response_class = functools.partial(_CountedResponse, guard=guard)  # type: ignore[assignment]

        def connect(self) -> None:
            super().connect()
            guard.watch(self.sock)

    class TlsConnection(HTTPSConnection):
        response_class = functools.partial(_CountedResponse, guard=guard)  # type: ignore[assignment]

        def connect(self) -> None:
            super().connect()
            guard.watch(self.sock)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = PlainConnection  # type: ignore[assignment]

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = TlsConnection  # type: ignore[assignment]

    return {"http": PlainPool, "https": TlsPool}


# --- what a library exception means ---------------------------------------------------------------


def _causes(problem: BaseException) -> list[BaseException]:
    """List an exception and all it wraps; requests and urllib3 nest in args, in `reason` and in causes."""
    found: list[BaseException] = []
    queue: list[Any] = [problem]
    while queue:
        item = queue.pop(0)
        if isinstance(item, BaseException) and not any(item is seen for seen in found):
            found.append(item)
            queue += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
    return found


_FIX_CERTIFICATE = "tell whoever runs that server; until then nothing can be fetched from it safely."
_CERTIFICATES: dict[int, str] = {
    9: "The server's certificate is not valid yet (check this machine's clock too)",
    10: "The server's certificate has expired",
    18: "The server's certificate is signed by nobody this machine trusts",
    19: "The server's certificate is signed by nobody this machine trusts",
    20: "The server's certificate is signed by nobody this machine trusts",
    21: "The server's certificate is signed by nobody this machine trusts",
    62: "The server's certificate belongs to another host name",
    64: "The server's certificate belongs to another host name",
}


def _explain(problem: BaseException, policy: HttpPolicy, host: str) -> _Failure:
    """Put a library exception into words. Its own text is never used: it may hold the URL."""
    causes = _causes(problem)

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    def later(message: str, fix: str = "run this day again later.") -> _Failure:
        return _Failure(message, fix, retry=True, kind=SourceUnavailable)

    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            text = _CERTIFICATES.get(cause.verify_code, "The server's certificate can't be trusted")
            return _Failure(f"{text} ({host})", _FIX_CERTIFICATE, retry=False)
    bad_request = requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL
    if has(*bad_request, requests.exceptions.InvalidSchema):
        return _Failure("The address or a header of this source is not valid", _FIX_LINK, retry=False)
    if has(requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        return later("The proxy of this network doesn't let us through", "check HTTPS_PROXY, then run again.")
    if has(urllib3.exceptions.NameResolutionError, socket.gaierror):
        return later(f"The name {host} can't be found", "check the spelling in sources.yaml and the network.")
    if has(ConnectionRefusedError):
        return later(f"{host} refuses connections; the server is probably down")
    if has(requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError):
        return later(f"{host} didn't take our call within {policy.connect_timeout_s:g} s")
    if has(requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
        return later(f"{host} went silent for {policy.read_timeout_s:g} s in the middle of its answer")
    if has(http.client.IncompleteRead, urllib3.exceptions.IncompleteRead):
        return _cut("the connection closed before the announced end").failure
    if has(ConnectionError, http.client.RemoteDisconnected):
        return later(f"{host} broke the connection")
    if has(ssl.SSLError):
        return later(f"The encrypted connection to {host} failed")
    if has(urllib3.exceptions.ProtocolError, urllib3.exceptions.InvalidChunkLength):
        return _cut("the connection closed before the announced end").failure
    seconds = math.ceil(policy.read_timeout_s)
    return later(f"{host} couldn't be read ({type(problem).__name__}; time-out {seconds} s)")

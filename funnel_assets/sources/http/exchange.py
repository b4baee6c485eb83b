"""One attempt: send the request, follow its redirects, judge the answer's status, receive its body.

Belongs here: where a redirect may lead, and what a status means. Does not belong here: whether to try again (the
package's `fetch`), the socket underneath (`connection`), what is wrong with a body (`body`).
"""

import contextlib
import datetime as dt
import email.utils
import http.client
import re
import threading
import time
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from funnel_assets.errors import SourceUnavailable
from funnel_assets.masking import redact_url
from funnel_assets.sources.http.body import Body, receive
from funnel_assets.sources.http.connection import Guard, GuardedAdapter
from funnel_assets.sources.http.failure import FIX_EXPORT, FIX_LINK, Failed, Failure, explain, fix_sign_in
from funnel_assets.sources.http.request import FetchResult, HttpPolicy, HttpRequest
from funnel_assets.sources.http.signing import signed
from funnel_assets.sources.http.sink import Sink

_RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LOGIN_WORDS = re.compile(
    r"(?:^|[/._-])(?:login|logon|signin|sign[-_]in|log[-_]in|servicelogin|sso|saml2?|oauth2?|authorize|authenticate)"
    r"(?:$|[/._-])",
    re.I,
)
_LOGIN_HOSTS = frozenset({"accounts", "login", "signin", "auth", "sso", "idp"})


def try_once(
    request: HttpRequest, secret: str | None, policy: HttpPolicy, out: Sink, deadline: float
) -> FetchResult | Failure:
    """Try once. Returns what went wrong rather than raising it, so that no library exception is chained."""
    guard = Guard()
    timer = threading.Timer(max(deadline - time.monotonic(), 0.0), guard.expire)
    timer.daemon = True
    timer.start()
    failure: Failure
    try:
        with requests.Session() as session:
            adapter = GuardedAdapter(guard)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            # Without this requests would add a password from ~/.netrc that nobody configured.
            session.auth = _no_auth
            return _exchange(session, request, secret, policy, out, guard)
    except Failed as failed:
        failure = failed.failure
    except (requests.RequestException, HTTPError, http.client.HTTPException, OSError) as problem:
        failure = explain(problem, policy, urlsplit(request.url).hostname or "")
    finally:
        timer.cancel()
        guard.close()
    if guard.expired:
        return Failure(
            f"The answer was not complete within {policy.deadline_s:g} s, though bytes may have trickled in",
            "try again later; if the file is that large, raise `http: deadline_seconds` of this source.",
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
    out: Sink,
    guard: Guard,
) -> FetchResult:
    out.rewind()
    fetched_at = dt.datetime.now(dt.UTC)
    response = _follow(session, request, secret, policy)
    with contextlib.closing(response):
        _check_status(response, request)
        unchanged = response.status_code == 304
        body = Body(0, 0, "", True) if unchanged else receive(response, policy, out, guard)
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
    url, secret_headers = signed(request, secret)
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
    raise Failed(
        Failure(
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
        raise Failed(Failure("The server redirected to what isn't a web address", FIX_LINK, retry=False))
    asked = urlsplit(request.url)
    if _is_login(there.hostname, there.path) and not _is_login(asked.hostname or "", asked.path):
        raise Failed(
            Failure(
                f"The server sent us to a login page ({there.hostname}{there.path}) instead of the data",
                fix_sign_in(request),
                retry=False,
            )
        )
    if here.scheme == "https" and there.scheme == "http":
        raise Failed(Failure("The server redirected from https to unencrypted http", FIX_LINK, retry=False))


def _is_login(host: str, path: str) -> bool:
    first_label = host.lower().partition(".")[0]
    return first_label in _LOGIN_HOSTS or bool(_LOGIN_WORDS.search(path))


def _check_status(response: requests.Response, request: HttpRequest) -> None:
    status = response.status_code
    if status in (200, 203) or (status == 304 and (request.etag or request.last_modified)):
        return
    retry_after = _retry_after(response.headers.get("Retry-After"))
    if status in _RETRIED_STATUSES:
        asked = f" and asked us to come back in {retry_after:.0f} s" if retry_after is not None else ""
        what = "said that we ask too often" if status == 429 else "has a problem of its own"
        raise Failed(
            Failure(
                f"The server {what} (HTTP {status}){asked}",
                "wait, then run this day again; if it goes on, tell whoever runs that server.",
                retry=True,
                retry_after_s=retry_after,
                kind=SourceUnavailable,
            )
        )
    raise Failed(Failure(*_final_status(status, request), retry=False))


def _final_status(status: int, request: HttpRequest) -> tuple[str, str]:
    if status == 401:
        return "The server doesn't accept our token, or wants one (HTTP 401)", fix_sign_in(request)
    if status == 403:
        return "The server knows us but refuses this file (HTTP 403)", fix_sign_in(request)
    if status in (404, 410):
        return f"There is nothing at this address (HTTP {status})", "correct `url:` in sources.yaml."
    if status == 204:
        return "The server answered with no content (HTTP 204)", FIX_EXPORT
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

"""How a fetch goes wrong, in words: what happened, what to do, and whether another try can help.

Belongs here: what a library's exception means, and the words that several steps share. Does not belong here: what a
server's answer means (`exchange`), what is wrong with a body (`body`).
"""

import http.client
import math
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

from funnel_assets.errors import FunnelError, SourceBroken, SourceUnavailable
from funnel_assets.sources.http.request import HttpPolicy, HttpRequest

FIX_EXPORT = "check the export at its origin, then run this day again."
FIX_LINK = "open the link in a browser, and put the address of the file itself into sources.yaml."
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


@dataclass
class Failure:
    """A failed attempt, described without holding the exception that told us."""

    message: str
    fix: str
    retry: bool
    retry_after_s: float | None = None
    kind: type[FunnelError] = SourceBroken


class Failed(Exception):
    """Carries a `Failure` out of nested calls inside one attempt."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


def cut(text: str) -> Failed:
    """The body stopped early; another try may bring all of it."""
    return Failed(
        Failure(
            f"The body is cut off: {text}",
            "run this day again; if it goes on, tell whoever runs that server.",
            retry=True,
            kind=SourceUnavailable,
        )
    )


def fix_sign_in(request: HttpRequest) -> str:
    """What to do when the server won't let us in."""
    if request.auth is None:
        return (
            "if it is a sheet, share it with anyone who has the link, or use the CSV link of "
            "File > Share > Publish to web; otherwise add `auth:` to this source in sources.yaml."
        )
    return f"check that the token in {request.auth.env} is the current one and may read this, then run again."


def explain(problem: BaseException, policy: HttpPolicy, host: str) -> Failure:
    """Put a library exception into words. Its own text is never used: it may hold the URL."""
    causes = _causes(problem)

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    def later(message: str, fix: str = "run this day again later.") -> Failure:
        return Failure(message, fix, retry=True, kind=SourceUnavailable)

    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            text = _CERTIFICATES.get(cause.verify_code, "The server's certificate can't be trusted")
            return Failure(f"{text} ({host})", _FIX_CERTIFICATE, retry=False)
    bad_request = requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL
    if has(*bad_request, requests.exceptions.InvalidSchema):
        return Failure("The address or a header of this source is not valid", FIX_LINK, retry=False)
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
        return cut("the connection closed before the announced end").failure
    if has(ConnectionError, http.client.RemoteDisconnected):
        return later(f"{host} broke the connection")
    if has(ssl.SSLError):
        return later(f"The encrypted connection to {host} failed")
    if has(urllib3.exceptions.ProtocolError, urllib3.exceptions.InvalidChunkLength):
        return cut("the connection closed before the announced end").failure
    seconds = math.ceil(policy.read_timeout_s)
    return later(f"{host} couldn't be read ({type(problem).__name__}; time-out {seconds} s)")


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

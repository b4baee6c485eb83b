"""What is asked for, how patiently, and what came back: the shapes that the steps share. No step."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from funnel_assets.errors import ConfigError
from funnel_assets.masking import redact_url


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

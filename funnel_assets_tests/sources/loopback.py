"""A real HTTP server on loopback that answers byte for byte what a test tells it to, however wrong."""

import contextlib
import datetime as dt
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Request:
    """What the server received: path, headers in lower case, and which attempt it is (from 1)."""

    path: str
    headers: dict[str, str]
    attempt: int


Answer = Callable[[socket.socket, Request], None]


@dataclass
class Server:
    """A running server. `answers` maps a path (without query) to what is done with the connection."""

    port: int
    scheme: str = "http"
    answers: dict[str, Answer] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def on(self, path: str, answer: Answer) -> str:
        self.answers[path] = answer
        return self.url(path)

    def hits(self, path: str) -> int:
        return sum(request.path.partition("?")[0] == path for request in self.seen)


def reply(status: int = 200, body: bytes = b"", *headers: str, length: int | None = -1) -> Answer:
    """Answer with a status, a body and headers; `length` overrides Content-Length, None leaves it out."""

    def answer(sock: socket.socket, request: Request) -> None:
        lines = [f"HTTP/1.1 {status} X", *headers]
        if length is not None:
            lines.append(f"Content-Length: {len(body) if length == -1 else length}")
        sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Answer the first request with the first answer, and so on; the last one repeats."""

    def answer(sock: socket.socket, request: Request) -> None:
        answers[min(request.attempt, len(answers)) - 1](sock, request)

    return answer


def _receive(sock: socket.socket) -> tuple[str, dict[str, str]] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return None
        data += piece
    first, *rest = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return first.split(" ")[1], headers


@contextlib.contextmanager
def serve(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server on a free port until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener.getsockname()[1], "https" if context else "http")
    lock = threading.Lock()

    def handle(sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError), sock:
            sock.settimeout(10)
            talking = context.wrap_socket(sock, server_side=True) if context else sock
            with talking:
                received = _receive(talking)
                if received is None:
                    return
                path, headers = received
                bare = path.partition("?")[0]
                with lock:
                    request = Request(path, headers, server.hits(bare) + 1)
                    server.seen.append(request)
                server.answers[bare](talking, request)

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def certificate(folder: Path, *, expired: bool) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate for 127.0.0.1 with openssl: the file to trust, and the server's context."""
    program = shutil.which("openssl")
    if program is None:
        raise FileNotFoundError("openssl")
    key, signed = folder / "key.pem", folder / "cert.pem"
    today = dt.datetime.now(dt.UTC)
    config = folder / "openssl.cnf"
    config.write_text(
        "[ca]\ndefault_ca=here\n[here]\ndatabase=index.txt\nserial=serial.txt\nnew_certs_dir=.\n"
        "default_md=sha256\npolicy=any\nx509_extensions=ext\n[any]\ncommonName=supplied\n"
        "[req]\ndistinguished_name=dn\n[dn]\n"
        "[ext]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:TRUE\n"
    )
    (folder / "index.txt").write_text("")
    (folder / "serial.txt").write_text("01")
    until = today + dt.timedelta(days=-2 if expired else 2)
    start = today - dt.timedelta(days=9)

    def run(*words: str) -> None:
        subprocess.run([program, *words], cwd=folder, check=True, capture_output=True)

    run("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key.name, "-out", "csr.pem",
        "-subj", "/CN=127.0.0.1", "-config", config.name)  # fmt: skip
    run("ca", "-batch", "-selfsign", "-config", config.name, "-keyfile", key.name, "-in", "csr.pem",
        "-out", signed.name, "-notext", "-startdate", f"{start:%Y%m%d%H%M%SZ}",
        "-enddate", f"{until:%Y%m%d%H%M%SZ}")  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed, key)
    return signed, context

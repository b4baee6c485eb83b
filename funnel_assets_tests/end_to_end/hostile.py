"""A page of another site that tries to drive the Dagster UI, in a real browser."""

import contextlib
import http.server
import json
import os
import shutil
import threading
import urllib.parse
from collections.abc import Iterator

import pytest

BACKFILL = """mutation { launchPartitionBackfill(backfillParams: {
  assetSelection: [{path: ["raw_leads"]}], partitionNames: ["%s"], tags: [{key: "hostile", value: "yes"}]
}) { __typename } }"""
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP evil.test 127.0.0.1",
]
PAGE = """<!doctype html><title>kittens</title>
<a id="link" href="URL/">the UI</a>
<iframe name="hidden"></iframe>
<form id="form" method="post" action="URL/graphql" target="hidden"><input name="query"></form>
<form id="text" method="post" action="URL/graphql?GET" target="hidden" enctype="text/plain"></form>
<script>
const url = "URL", mutation = MUTATION;
const asked = url + "/graphql?query=" + encodeURIComponent(mutation);
async function tried(what) {
  try { const r = await what(); return r.type + " " + r.status } catch (e) { return "refused" } }
function image() { return new Promise(done => {
  const img = new Image(); img.onload = img.onerror = done; img.src = asked }) }
function socket() { return new Promise(done => {
  const ws = new WebSocket(url.replace("http", "ws") + "/graphql", "graphql-ws");
  ws.onopen = () => done("open"); ws.onerror = () => done("refused") }) }
async function attack() {
  const found = {};
  const body = JSON.stringify({query: mutation});
  found.get = await tried(() => fetch(asked, {mode: "no-cors"}));
  found.text = await tried(() => fetch(url + "/graphql", {method: "POST", mode: "no-cors", body}));
  const headers = {"content-type": "application/json"};
  found.json = await tried(() => fetch(url + "/graphql", {method: "POST", body, headers}));
  found.read = await tried(() => fetch(url + "/server_info"));
  await image();
  form.query.value = mutation; form.submit();
  await new Promise(done => setTimeout(done, 500));
  text.submit();
  await new Promise(done => setTimeout(done, 500));
  found.socket = await socket();
  return found;
}
</script>"""


def chromium() -> str:
    """Path of a Chromium on this machine; skips the test where there is none."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium, or set CHROMIUM)")
    return found


@contextlib.contextmanager
def serving(ui_url: str, mutation: str) -> Iterator[int]:
    """Serve the page, with the UI as its target; yields its port."""
    get = f"query={urllib.parse.quote(mutation)}"
    page = PAGE.replace("MUTATION", json.dumps(mutation)).replace("?GET", f"?{get}").replace("URL", ui_url)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()

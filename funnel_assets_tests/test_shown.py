"""Control characters in data never reach a screen, a page, a file for people or a message."""

import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import pyarrow as pa
import pytest
from markupsafe import Markup
from rich.table import Table

from funnel_assets import exports, outside
from funnel_assets.config.mistakes import quoted
from funnel_assets.errors import SourceBroken
from funnel_assets.report import dictionary, page
from funnel_assets.screen import SafeConsole
from funnel_assets.shown import shown, shown_in_page

ATTACKS = {
    "clears the screen": "\x1b[2Jmeta",
    "sets the title": "\x1b]0;owned\x07meta",
    "eight-bit escape": "\x9b31mmeta",
    "goes back in the line": "real\rfake",
    "takes letters back": "real\x08\x08\x08\x08fake",
    "turned name": "invoice\u202efdp.exe",
    "turned with an isolate": "a\u2067b\u2069c",
    "unseen tags": "meta\U000e0041\U000e0042",
    "line separator": "a\u2028b",
    "half a pair": "a\ud800b",
    "nothing": "a\x00b",
}
HARMFUL = set("\x1b\x07\x9b\r\x08\u202e\u2067\u2069\U000e0041\u2028\ud800\x00")


@pytest.fixture(params=ATTACKS, ids=list(ATTACKS))
def attack(request: pytest.FixtureRequest) -> str:
    return ATTACKS[request.param]


def _is_safe(text: str) -> bool:
    return not HARMFUL & set(text) and "\ufffd" in text


def test_what_people_write_stays() -> None:
    for text in ("Ásha Rao\nline\ttab", "आशा", "re\u200djoin", "family 👨\u200d👩\u200d👧", "₹1,20,000"):
        assert shown(text) == text
    assert shown("two\r\nlines") == "two\nlines"


def test_screen(attack: str) -> None:
    if "\ud800" in attack:
        pytest.skip("no terminal could encode it: see test_shown_text")
    out = io.StringIO()
    console = SafeConsole(file=out, width=80, force_terminal=False)
    table = Table("campaign", title=attack)
    table.add_row(attack)
    console.print(table)
    console.print(attack, markup=False)
    # rich itself leaves some of them out.
    assert not HARMFUL & set(out.getvalue())


def test_the_screens_own_styles_stay() -> None:
    out = io.StringIO()
    SafeConsole(file=out, force_terminal=True, color_system="standard").print("[bold red]Failed:[/] x")
    assert "\x1b[1;31mFailed:" in out.getvalue()


def test_shown_text(attack: str) -> None:
    assert _is_safe(shown(attack))


def test_message(attack: str) -> None:
    error = SourceBroken(f"There is no {attack}.", file=attack, source=attack, fix=f"correct {attack}.")
    assert _is_safe(str(error))
    assert _is_safe(str(error.located(dataset="spend")))
    assert _is_safe(error.message)
    # Blanks of all kinds become one.
    assert not HARMFUL & set(quoted(f"x{attack}"))


def test_csv_and_workbook_cells(attack: str) -> None:
    assert _is_safe(exports.harmless(attack))
    if "\ud800" not in attack:
        assert _is_safe(exports._written(pa.chunked_array([pa.array([attack])]))[0].as_py())


def _page_environment(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, write: Callable[[], object]
) -> Any:
    """The environment in which a page is written, taken at the moment when it asks for its template."""
    kept: list[jinja2.Environment] = []

    def get_template(self: jinja2.Environment, name: str) -> None:
        kept.append(self)
        raise LookupError(name)

    monkeypatch.setattr(jinja2.Environment, "get_template", get_template)
    monkeypatch.setattr(module, "relations", lambda *_: [], raising=False)
    with pytest.raises(LookupError):
        write()
    return kept[0]


def test_pages(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    writers: list[tuple[ModuleType, Callable[[], object]]] = [
        (page, lambda: page.render({}, now=dt.datetime.now(dt.UTC))),
        (dictionary, lambda: dictionary.write(None, Path())),  # type: ignore[arg-type]
    ]
    for module, write in writers:
        environment = _page_environment(monkeypatch, module, write)
        written = environment.from_string("<p>{{ text }}</p>").render(text=f"<b>{attack}")
        assert _is_safe(written)
        assert written.startswith("<p>&lt;b&gt;")


def test_markup_of_a_page_stays_markup() -> None:
    assert shown_in_page(Markup("<b>a\x1b</b>")) == Markup("<b>a\ufffd</b>")
    assert shown_in_page(3) == 3


def test_file_names(attack: str, tmp_path: Path) -> None:
    if "\x00" in attack or "\ud800" in attack:
        pytest.skip("no file can have this name")
    if "\U000e0041" not in attack:
        assert _is_safe(outside.shown_name(tmp_path / attack.replace("/", "")))

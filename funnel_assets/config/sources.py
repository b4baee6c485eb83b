"""``sources.yaml``: where each dataset's rows come from (SPEC 4).

Belongs here: reading and checking the file, with the line of every mistake. Does not belong here: what a
source is once checked (`source_model.py`), fetching or parsing what it holds.

The file is read as YAML nodes, not as Python values: nodes know their lines, and ``0123`` or ``no`` stay as
written.
"""

import codecs
import datetime as dt
import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import yaml

from funnel_assets import outside
from funnel_assets.config.mistakes import Mistakes, quoted, suggestion
from funnel_assets.config.settings import (
    DEFAULT_CURRENCY,
    DEFAULT_TIMEZONE,
    is_currency,
    is_timezone,
    timezone_advice,
)
from funnel_assets.config.source_model import (
    AMOUNTS,
    AUTH_TYPES,
    COUNTED,
    DATASETS,
    DATE_ORDERS,
    DEFAULT_LEAST_ROWS_PCT,
    DEFAULT_MOST_SUPERSEDED_PCT,
    DEFAULT_TOTALS_TOLERANCE_PCT,
    DRIFT,
    HTTP_KINDS,
    INBOX,
    KINDS,
    NUMBER_FORMATS,
    WITH_EXTERNAL_ID,
    WITH_PHONES,
    Auth,
    Extract,
    HttpOverrides,
    Source,
    SourcesConfig,
)
from funnel_assets.domain.countries import HOME, country_advice, is_country
from funnel_assets.errors import ConfigError
from funnel_assets.sources.columns import column_key
from funnel_assets.sources.fields import pattern_problem

__all__ = ["Auth", "HttpOverrides", "Source", "SourcesConfig", "load_sources"]

_CSV = frozenset({"http_csv", "csv"})
_TEXT = _CSV | {"http_json", "json", "jsonl"}
_TABULAR = frozenset(KINDS) - {"zoom_folder"}
_KEYS: dict[str, frozenset[str]] = {
    "name": frozenset(KINDS),
    "kind": frozenset(KINDS),
    "url": HTTP_KINDS,
    "path": frozenset(KINDS) - HTTP_KINDS,
    "auth": HTTP_KINDS,
    "http": HTTP_KINDS,
    "timezone": frozenset(KINDS),
    "country": frozenset(KINDS),
    "date_formats": _TABULAR,
    "days": _TABULAR,
    "currency": _TABULAR,
    "amounts": _TABULAR,
    "columns": _TABULAR,
    "constants": _TABULAR,
    "values": _TABULAR,
    "extract": _TABULAR,
    "count": _TABULAR,
    "only": _TABULAR,
    "external_id": _TABULAR,
    "encoding": _TEXT,
    "delimiter": _CSV,
    "sheet": frozenset({"xlsx"}),
    "date_order": frozenset({"zoom_folder"}),
    "max_megabytes": frozenset({"zoom_folder"}),
    "max_unpacked_megabytes": frozenset({"xlsx"}),
    "totals_tolerance_pct": frozenset({"zoom_folder"}),
    "least_rows_pct": HTTP_KINDS,
    "most_superseded_pct": _TABULAR,
    "drift": _TABULAR,
    "rolling": _TABULAR,
    "allow_empty": frozenset(KINDS),
}
_AUTH_KEYS = ("type", "env", "name")
_EXTERNAL_ID_KEYS = ("column", "system")
_HTTP_KEYS = ("timeout_seconds", "deadline_seconds", "max_megabytes", "retries")
_OTHER_KIND_NAMES = {
    "google_sheet": "http_csv",
    "google_sheets": "http_csv",
    "gsheet": "http_csv",
    "sheet": "http_csv",
    "http": "http_csv",
    "https": "http_csv",
    "api": "http_json",
    "excel": "xlsx",
    "xls": "xlsx",
    "ndjson": "jsonl",
    "zoom": "zoom_folder",
}
_SECRET_PARAMETERS = frozenset(
    {
        "token",
        "access_token",
        "api_key",
        "apikey",
        "key",
        "secret",
        "client_secret",
        "password",
        "passwd",
        "pwd",
        "auth",
        "authorization",
        "sig",
        "signature",
    }
)
# YAML is read at 100 kB a second.
_MOST_BYTES, _DEEPEST = 256_000, 200
TAKEN_AWAY = "taken_away"
_SECRET_KEYS = _SECRET_PARAMETERS | {"user", "username", "headers"}
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_DIRECTIVE = re.compile(r"%(.?)")
_DIRECTIVES = "YymdHIMSfpbBaAz"
_DELIMITERS = {",": ",", ";": ";", "|": "|", "\t": "\t", "\\t": "\t", "tab": "\t"}
_FIX = "correct it and save; until then the last good result stays published."
_MISSING_FIX = (
    "run `make run`, which writes one for a sample world, "
    "or copy sources.example.yaml to sources.yaml and put your own sources in."
)


def load_sources(
    path: Path,
    environ: Mapping[str, str],
    *,
    known_columns: Mapping[str, Mapping[str, str]] | None = None,
    apart: bool = False,
) -> SourcesConfig:
    """Read ``sources.yaml``.

    Args:
        path: The file.
        environ: Where ``${NAME}`` in locations is looked up; ``Settings.environ`` has ``FUNNEL_HOME`` in it.
            Relative paths start at ``FUNNEL_HOME``; ``FUNNEL_TIMEZONE`` and ``FUNNEL_CURRENCY`` are the defaults.
        known_columns: Dataset -> names that ``columns``, ``constants`` … may use -> the column each one means; two
            names of one column can't be used at once. None: unchecked.
        apart: Let a mistake in a dataset's sources concern that dataset alone: see ``SourcesConfig.wrong``. A slip
            in the spend sheet's lines must not keep tonight's leads from being made, nor be told once per dataset.

    Raises:
        ConfigError: With file, line, what is wrong and what is allowed, for every mistake in the file.
    """
    root = _compose(path)
    mistakes = Mistakes()
    reader = _Reader(path.name, environ, known_columns or {}, mistakes)
    sources = tuple(reader.sources(root))
    wrong: dict[str, ConfigError] = {}
    if apart:
        for dataset, found in reader.mistakes_of.items():
            try:
                Mistakes(found).raise_if_any(fix=_FIX)
            except ConfigError as error:
                wrong[dataset] = error
        theirs = {mistake for found in reader.mistakes_of.values() for mistake in found}
        mistakes = Mistakes([mistake for mistake in mistakes.found if mistake not in theirs])
    mistakes.raise_if_any(fix=_FIX)
    return SourcesConfig(path, sources, frozenset(reader.without), wrong, frozenset(reader.taken_away))


def _compose(path: Path) -> yaml.Node:
    try:
        text = (content := outside.content(path)).decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"There is no sources.yaml in {path.parent}: no source is known.",
            file=path.name,
            fix=_MISSING_FIX,
        ) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(
            "The file isn't UTF-8.", file=path.name, line=line, fix="save it as UTF-8."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"The file can't be read ({error.strerror}).", file=path.name, fix="let this user read it."
        ) from None
    if len(content) > _MOST_BYTES or _is_too_deep(text):
        raise ConfigError(
            f"The file is larger than {_MOST_BYTES // 1000} kB, or its brackets are nested over {_DEEPEST} deep.",
            file=path.name,
            fix="write the file anew, as in sources.example.yaml.",
        )
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(filter(None, (error.context, error.problem)))
        raise ConfigError(
            f"This isn't valid YAML: {problem}.",
            file=path.name,
            line=mark.line + 1 if mark else None,
            fix="indent with spaces, never tabs, and put values that hold ': ' or ' #' in quotes.",
        ) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(
            f"This isn't valid YAML ({type(error).__name__}).",
            file=path.name,
            fix="take out characters that can't be seen, or write the file anew.",
        ) from None
    if root is None:
        raise ConfigError("The file lists no source.", file=path.name, line=1, fix=_MISSING_FIX)
    return root


def _is_too_deep(text: str) -> bool:
    """Whether brackets are nested deeper than any list of sources: each level costs the parser more than the last."""
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = depth + 1 if bracket in "[{" else max(depth - 1, 0)
        if depth > _DEEPEST:
            return True
    return False


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _is_null(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _is_blank(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and (_is_null(node) or not node.value.strip())


class _Reader:
    """Walks the nodes, noting mistakes and going on, so that one reading finds them all."""

    def __init__(
        self,
        file: str,
        environ: Mapping[str, str],
        known_columns: Mapping[str, Mapping[str, str]],
        mistakes: Mistakes,
    ) -> None:
        self._file = file
        self._environ = environ
        self._known_columns = known_columns
        self._mistakes = mistakes
        self._names: dict[str, int] = {}
        self.without: set[str] = set()
        self.mistakes_of: dict[str, list[tuple[str, int, str]]] = {}
        self.taken_away: set[str] = set()

    def wrong(self, line: int, text: str) -> None:
        self._mistakes.add(self._file, line, text)

    def sources(self, root: yaml.Node) -> Iterator[Source]:
        listed = self.pairs(root, (*DATASETS, TAKEN_AWAY), "dataset")
        for dataset, node in listed.items():
            if dataset == TAKEN_AWAY:
                items = node.value if isinstance(node, yaml.SequenceNode) else [node]
                self.taken_away |= {text for item in items if (text := self.text(item, TAKEN_AWAY))}
                continue
            noted = len(self._mistakes.found)
            yield from self.sources_of(dataset, node)
            self.mistakes_of[dataset] = self._mistakes.found[noted:]
        if INBOX not in listed or _is_null(listed[INBOX]):
            yield self.inbox()

    def sources_of(self, dataset: str, node: yaml.Node) -> Iterator[Source]:
        if _is_null(node):
            return
        if not isinstance(node, yaml.SequenceNode):
            self.wrong(_line(node), f"{dataset} needs a list of sources; start each with '- name:'")
            return
        if not node.value:
            self.without.add(dataset)
        for order, item in enumerate(node.value):
            source = self.source(dataset, order, item)
            if source is not None:
                yield source

    def inbox(self) -> Source:
        """The documented drop folder, which is a source unless ``zoom_attendance: []`` says that there is none."""
        home = Path(self._environ.get("FUNNEL_HOME") or "data").expanduser()
        names = ("zoom_reports", *(f"zoom_reports_{number}" for number in range(2, 100)))
        return Source(
            dataset=INBOX,
            name=next(name for name in names if name not in self._names),
            order=0,
            kind="zoom_folder",
            location=str((home / "inbox" / "zoom").resolve()),
            line=0,
            timezone=self.timezone(None),
            currency=self.currency(None)[0],
        )

    def pairs(self, node: yaml.Node, allowed: Collection[str], what: str) -> dict[str, yaml.Node]:
        """Return a mapping's values by key; unknown and repeated keys are mistakes."""
        found: dict[str, yaml.Node] = {}
        if not isinstance(node, yaml.MappingNode):
            self.wrong(_line(node), f"here go lines like 'key: value'; allowed: {', '.join(allowed)}")
            return found
        for key_node, value in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            if key in found:
                self.wrong(_line(key_node), f"{what} {quoted(key)} is there twice")
            elif key in allowed:
                found[key] = value
            elif what != "dataset" and key.lower() in _SECRET_KEYS:
                self.wrong(
                    _line(key_node),
                    f"{key} isn't allowed: secrets are never written here; put the secret in the environment "
                    "or in .env and name its variable: auth: {type: bearer, env: CRM_TOKEN}",
                )
            else:
                near = suggestion(key, allowed)
                self.wrong(
                    _line(key_node),
                    f"{what} {quoted(key)} isn't known{near}; allowed: {', '.join(allowed)}",
                )
        return found

    def text(self, node: yaml.Node, what: str) -> str | None:
        text = node.value.strip(" ") if isinstance(node, yaml.ScalarNode) and not _is_null(node) else ""
        if not text:
            self.wrong(_line(node), f"{what} needs a value")
        return text or None

    def choice(self, node: yaml.Node | None, what: str, allowed: Collection[str]) -> str | None:
        if node is None or (text := self.text(node, what)) is None:
            return None
        word = text.lower().replace("-", "_").replace(" ", "_")
        if word in allowed:
            return word
        near = suggestion(word, allowed)
        if what == "kind" and word in _OTHER_KIND_NAMES:
            near = f" (did you mean {_OTHER_KIND_NAMES[word]}?)"
        self.wrong(_line(node), f"{what} {quoted(text)} isn't allowed{near}; allowed: {', '.join(allowed)}")
        return None

    def source(self, dataset: str, order: int, node: yaml.Node) -> Source | None:
        if not isinstance(node, yaml.MappingNode):
            self.wrong(_line(node), "a source needs lines like 'name: …', 'kind: …', 'url: …'")
            return None
        noted = len(self._mistakes.found)
        pairs = self.pairs(node, tuple(_KEYS), "key")
        line = _line(node)
        name = self.name(pairs.get("name"), line)
        kind = self.kind(dataset, pairs.get("kind"), line)
        if kind is None:
            return None
        for key in [key for key in pairs if kind not in _KEYS[key]]:
            self.wrong(_line(pairs.pop(key)), self.misplaced(key, kind))
        if len(self._mistakes.found) > noted:
            return None
        columns = self.names(dataset, pairs.get("columns"), "columns")
        constants = self.names(dataset, pairs.get("constants"), "constants")
        extract = self.extract(dataset, pairs.get("extract"))
        self.not_both(dataset, pairs, columns, constants, "columns", "constants")
        self.not_both(dataset, pairs, columns, extract, "columns", "extract")
        self.not_both(dataset, pairs, constants, extract, "constants", "extract")
        external_id, system = self.external_id(dataset, pairs.get("external_id"))
        first_day, last_day = self.days(pairs.get("days"))
        currency, currency_column = self.currency(pairs.get("currency"))
        return Source(
            dataset=dataset,
            name=name or "",
            order=order,
            kind=kind,
            location=self.location(kind, pairs, line) or "",
            line=line,
            timezone=self.timezone(pairs.get("timezone")),
            auth=self.auth(pairs.get("auth")),
            columns=columns,
            constants=constants,
            values=self.values(dataset, pairs.get("values")),
            extract=extract,
            count=self.count(dataset, pairs.get("count")),
            only=self.only(pairs.get("only")),
            amounts=self.choice(pairs.get("amounts"), "amounts", AMOUNTS) or "major",
            date_formats=self.date_formats(pairs.get("date_formats")),
            first_day=first_day,
            last_day=last_day,
            country=self.country(dataset, pairs.get("country")),
            totals_tolerance_pct=self.percent(
                pairs.get("totals_tolerance_pct"), "totals_tolerance_pct", DEFAULT_TOTALS_TOLERANCE_PCT
            ),
            least_rows_pct=self.percent(
                pairs.get("least_rows_pct"), "least_rows_pct", DEFAULT_LEAST_ROWS_PCT
            ),
            most_superseded_pct=self.percent(
                pairs.get("most_superseded_pct"), "most_superseded_pct", DEFAULT_MOST_SUPERSEDED_PCT
            ),
            currency=currency,
            currency_column=currency_column,
            encoding=self.encoding(pairs.get("encoding")),
            delimiter=self.delimiter(pairs.get("delimiter")),
            sheet=self.text(pairs["sheet"], "sheet") if "sheet" in pairs else None,
            date_order=self.choice(pairs.get("date_order"), "date_order", DATE_ORDERS),
            max_megabytes=self.number(pairs["max_megabytes"], "max_megabytes")
            if "max_megabytes" in pairs
            else None,
            max_unpacked_megabytes=self.number(pairs["max_unpacked_megabytes"], "max_unpacked_megabytes")
            if "max_unpacked_megabytes" in pairs
            else None,
            drift=self.choice(pairs.get("drift"), "drift", DRIFT) or "evolve",
            rolling=self.flag(pairs.get("rolling"), "rolling"),
            allow_empty=self.flag(pairs.get("allow_empty"), "allow_empty"),
            external_id=external_id,
            system=system,
            http=self.http(pairs.get("http")),
        )

    def not_both(
        self,
        dataset: str,
        pairs: Mapping[str, yaml.Node],
        some: Collection[str],
        others: Collection[str],
        one: str,
        other: str,
    ) -> None:
        """Note columns that are said to come from two places."""
        known = self._known_columns.get(dataset, {})
        read = {known.get(name, name.lower()) for name in some}
        for name in others:
            if known.get(name, name.lower()) in read:
                self.wrong(
                    _line(pairs[other]), f"{quoted(name.lower())} is in {one} and in {other}; keep one"
                )

    @staticmethod
    def misplaced(key: str, kind: str) -> str:
        if key == "url":
            return f"kind {kind} reads a file and needs path; for a web address use http_csv or http_json"
        if key == "path":
            return f"kind {kind} reads a web address and needs url; for a file use {kind[5:]}"
        allowed = ", ".join(other for other in KINDS if other in _KEYS[key])
        return f"{key} means nothing for kind {kind}; it is for {allowed}"

    def name(self, node: yaml.Node | None, line: int) -> str | None:
        if node is None:
            self.wrong(line, "this source has no name; every source needs one")
            return None
        name = self.text(node, "name")
        if name is None:
            return None
        if not _SOURCE_NAME.fullmatch(name):
            self.wrong(_line(node), f"name {quoted(name)} isn't allowed; use letters, digits, - and _ only")
        elif name.lower() in self._names:
            self.wrong(
                _line(node), f"name {quoted(name)} is taken by the source on line {self._names[name.lower()]}"
            )
        self._names.setdefault(name.lower(), _line(node))
        return name

    def kind(self, dataset: str, node: yaml.Node | None, line: int) -> str | None:
        if node is None:
            self.wrong(line, f"this source has no kind; allowed: {', '.join(KINDS)}")
            return None
        kind = self.choice(node, "kind", KINDS)
        if kind is not None and (kind == "zoom_folder") != (dataset == "zoom_attendance"):
            self.wrong(
                _line(node), f"kind {kind} isn't for {dataset}; zoom_attendance has kind zoom_folder only"
            )
            return None
        return kind

    def location(self, kind: str, pairs: Mapping[str, yaml.Node], line: int) -> str | None:
        key = "url" if kind in HTTP_KINDS else "path"
        node = pairs.get(key)
        if node is None:
            self.wrong(line, f"kind {kind} needs {key}")
            return None
        text = self.text(node, key)
        expanded = None if text is None else self.expanded(text, key, _line(node))
        if expanded is None:
            return None
        problem = self.url_problem(expanded) if key == "url" else self.path_problem(expanded)
        if problem:
            self.wrong(_line(node), problem)
        if key == "url" or "://" in expanded:
            return expanded
        home = Path(self._environ.get("FUNNEL_HOME") or "data").expanduser()
        return str((home / Path(expanded).expanduser()).resolve())

    def expanded(self, text: str, what: str, line: int) -> str | None:
        """Fill in ``${NAME}``; None when a variable is missing."""
        names = _VARIABLE.findall(text)
        if "${" in _VARIABLE.sub("", text) or not all(map(_VARIABLE_NAME.fullmatch, names)):
            self.wrong(line, f"{what} holds a variable that isn't written like ${{NAME}}")
            return None
        missing = [name for name in names if not self._environ.get(name)]
        for name in missing:
            self.wrong(line, f"{what} uses {name}, which is set neither in the environment nor in .env")
        return None if missing else _VARIABLE.sub(lambda found: self._environ[found[1]], text)

    @staticmethod
    def url_problem(url: str) -> str | None:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            return "url isn't a web address; it starts with https:// or http://"
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return "url isn't a web address; it starts with https:// or http://"
        if parts.username is not None or parts.password is not None:
            return (
                "url holds a user or password; take it out, put the password in the environment or in .env, "
                "and add auth: {type: basic, env: NAME_OF_THE_VARIABLE, name: USER}"
            )
        for name, _ in parse_qsl(parts.query, keep_blank_values=True):
            if name.lower().replace("-", "_") in _SECRET_PARAMETERS:
                return (
                    f"url holds a secret in its parameter {name}; take it out, put it in the environment or "
                    f"in .env, and add auth: {{type: query, env: NAME_OF_THE_VARIABLE, name: {name}}}"
                )
        if parts.hostname == "docs.google.com" and re.search(r"/(edit|view)\b|/pubhtml\b", parts.path):
            return (
                "url is the sheet's web page, not its data; end it with /export?format=csv&gid=0 "
                "in place of /edit (gid is the number of the tab)"
            )
        return None

    @staticmethod
    def path_problem(path: str) -> str | None:
        if path.lower().startswith(("http://", "https://")):
            return "path is a web address; write it as url, with kind http_csv or http_json"
        if "://" in path and "@" in path.split("://", 1)[1].split("/", 1)[0]:
            return "path holds a user or password; take it out"
        return None

    def timezone(self, node: yaml.Node | None) -> str:
        default = self._environ.get("FUNNEL_TIMEZONE") or DEFAULT_TIMEZONE
        text = None if node is None else self.text(node, "timezone")
        if node is not None and text is not None and not is_timezone(text):
            self.wrong(_line(node), f"timezone {quoted(text)} isn't one{timezone_advice(text)}")
        return text or default

    def auth(self, node: yaml.Node | None) -> Auth | None:
        if node is None:
            return None
        pairs = self.pairs(node, _AUTH_KEYS, "key of auth")
        kind = self.choice(pairs.get("type"), "type", AUTH_TYPES)
        if "type" not in pairs:
            self.wrong(_line(node), f"auth needs type; allowed: {', '.join(AUTH_TYPES)}")
        name = self.text(pairs["name"], "name") if "name" in pairs else None
        if kind in ("header", "query") and "name" not in pairs:
            what = "header" if kind == "header" else "parameter"
            self.wrong(_line(node), f"auth of type {kind} needs name: the name of the {what}")
        if "env" not in pairs:
            self.wrong(_line(node), "auth needs env: the name of the variable that holds the secret")
            return None
        env = self.text(pairs["env"], "env")
        if env is not None and not _is_variable_name(env):
            self.wrong(
                _line(pairs["env"]),
                "env takes the name of a variable, like CRM_TOKEN, not the secret itself; put the secret in "
                "the environment or in .env",
            )
            return None
        return None if kind is None or env is None else Auth(kind, env, name)

    def lines(self, node: yaml.Node | None, what: str, example: str) -> list[tuple[yaml.Node, yaml.Node]]:
        """Return a mapping's names and values; nothing where there is none, or something else."""
        if node is None or _is_null(node):
            return []
        if not isinstance(node, yaml.MappingNode):
            self.wrong(_line(node), f"{what} needs lines like '{example}'")
            return []
        return node.value

    def names(
        self, dataset: str, node: yaml.Node | None, what: str, *, may_be_blank: bool = False
    ) -> dict[str, str]:
        """Return a mapping of text to text, its keys being names of ours where those are known."""
        found: dict[str, str] = {}
        for key_node, value_node in self.lines(node, what, "our name: value"):
            key = self.text(key_node, f"a name in {what}")
            if key is None:
                continue
            blank = may_be_blank and _is_blank(value_node)
            value = "" if blank else self.text(value_node, f"{key} in {what}")
            ours = key if value is None else self.our_name(dataset, key_node, key, found, what)
            if value is not None and ours is not None:
                found[ours] = value
        return found

    def our_name(
        self, dataset: str, node: yaml.Node, key: str, taken: Collection[str], what: str
    ) -> str | None:
        """Return a name of ours as it is spelled; None for one that isn't ours, or whose column is taken."""
        known = self._known_columns.get(dataset)
        if known is None:
            if key.lower() in {name.lower() for name in taken}:
                self.wrong(_line(node), f"{quoted(key)} is in {what} twice")
                return None
            return key
        spelled = {column_key(name): name for name in known}
        ours = spelled.get(column_key(key))
        if ours is None:
            near = suggestion(key, known)
            names = ", ".join(dict.fromkeys(known.values()))
            self.wrong(_line(node), f"{dataset} has no column {quoted(key)}{near}; allowed: {names}")
            return None
        same = [name for name in taken if known[name] == known[ours]]
        if same:
            also = "" if same[0] == ours else f": {quoted(same[0])} is the same column"
            self.wrong(_line(node), f"{quoted(key)} is in {what} twice{also}")
            return None
        return ours

    def values(self, dataset: str, node: yaml.Node | None) -> dict[str, dict[str, str]]:
        """Return a mapping of our column to a mapping of the file's value to ours."""
        found = {}
        for key_node, value_node in self.lines(node, "values", "our name: {their value: our value}"):
            column = yaml.MappingNode("", [(key_node, key_node)], key_node.start_mark)
            for name in self.names(dataset, column, "values"):
                found[name] = self.names("", value_node, f"{name} in values", may_be_blank=True)
        return found

    def extract(self, dataset: str, node: yaml.Node | None) -> dict[str, Extract]:
        """Return a mapping of our column to where its value stands inside one of the file's."""
        found: dict[str, Extract] = {}
        for key_node, value in self.lines(node, "extract", "our name: {from: their column, pattern: …}"):
            key = self.text(key_node, "a name in extract")
            if key is None:
                continue
            ours = self.our_name(dataset, key_node, key, found, "extract")
            pairs = self.pairs(value, ("from", "pattern"), "key of extract")
            for name in ("from", "pattern"):
                if isinstance(value, yaml.MappingNode) and name not in pairs:
                    self.wrong(_line(value), f"{key} in extract needs {name}")
            column = self.text(pairs["from"], "from") if "from" in pairs else None
            pattern = self.text(pairs["pattern"], "pattern") if "pattern" in pairs else None
            if pattern is not None and (problem := pattern_problem(pattern)):
                self.wrong(_line(pairs["pattern"]), f"pattern {quoted(pattern)} {problem}")
            elif ours is not None and column is not None and pattern is not None:
                found[ours] = Extract(column, pattern)
        return found

    def count(self, dataset: str, node: yaml.Node | None) -> str | None:
        """Return the column that says how often the row's activity happened."""
        if node is None:
            return None
        if dataset not in COUNTED:
            self.wrong(_line(node), f"count means nothing for {dataset}; it is for {', '.join(COUNTED)}")
            return None
        return self.text(node, "count")

    def only(self, node: yaml.Node | None) -> dict[str, tuple[str, ...]]:
        """Return the file's column to the values wanted; ``any`` is none in particular."""
        found = {}
        for key_node, value_node in self.lines(node, "only", "their column: value, [one, other] or any"):
            items = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            key = self.text(key_node, "a name in only")
            wanted = [self.text(item, f"{key} in only") for item in items]
            if key is not None:
                found[key] = tuple(text for text in wanted if text and text != "any")
        return found

    def date_formats(self, node: yaml.Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        formats = []
        for item in nodes:
            text = self.text(item, "date_formats")
            problem = None if text is None else _format_problem(text)
            if problem:
                self.wrong(_line(item), f"date format {quoted(text or '')} {problem}")
            elif text is not None:
                formats.append(text)
        return tuple(formats)

    def days(self, node: yaml.Node | None) -> tuple[dt.date | None, dt.date | None]:
        """Return the first and the last plausible day."""
        if node is None or _is_null(node):
            return None, None
        found: dict[str, dt.date] = {}
        for key, value in self.pairs(node, ("from", "to"), "key of days").items():
            text = self.text(value, key)
            if text is None:
                continue
            try:
                found[key] = dt.date.fromisoformat(text)
            except ValueError:
                self.wrong(_line(value), f"{key} {quoted(text)} isn't a day; write it as in 2026-03-31")
        first, last = found.get("from"), found.get("to")
        if first and last and last < first:
            self.wrong(_line(node), f"days from {first} to {last} are none; swap the two")
        return first, last

    def country(self, dataset: str, node: yaml.Node | None) -> str:
        """Return whose national phone numbers a source holds; of a dataset without phones always the default."""
        default = self._environ.get("FUNNEL_COUNTRY") or HOME
        if dataset not in WITH_PHONES:
            if node is not None:
                self.wrong(
                    _line(node), f"country says whose phone numbers a source holds; {dataset} has none"
                )
            return HOME
        text = None if node is None else self.text(node, "country")
        if text is not None and node is not None and not is_country(text.upper()):
            self.wrong(_line(node), f"country {quoted(text)} isn't a country's code{country_advice(text)}")
        return (text or default).upper()

    def currency(self, node: yaml.Node | None) -> tuple[str, str | None]:
        """Return the currency of all amounts, and the column that says which one a row is in."""
        default = (self._environ.get("FUNNEL_CURRENCY") or DEFAULT_CURRENCY).upper()
        if isinstance(node, yaml.MappingNode):
            pairs = self.pairs(node, ("column",), "key of currency")
            if "column" not in pairs:
                self.wrong(_line(node), "currency needs a code, or column: the column that holds the codes")
                return default, None
            return default, self.text(pairs["column"], "column of currency")
        text = None if node is None else self.text(node, "currency")
        if node is not None and text is not None and not is_currency(text):
            self.wrong(
                _line(node), f"currency {quoted(text)} isn't a code of three capitals, like INR or USD"
            )
        return text or default, None

    def external_id(self, dataset: str, node: yaml.Node | None) -> tuple[str | None, str | None]:
        """Return the column that holds the source's ids, and the system whose ids they are."""
        if node is None:
            return None, None
        if dataset not in WITH_EXTERNAL_ID:
            allowed = ", ".join(WITH_EXTERNAL_ID)
            self.wrong(_line(node), f"external_id means nothing for {dataset}; it is for {allowed}")
            return None, None
        if not isinstance(node, yaml.MappingNode):
            return self.text(node, "external_id"), None
        pairs = self.pairs(node, _EXTERNAL_ID_KEYS, "key of external_id")
        if "column" not in pairs:
            self.wrong(_line(node), "external_id needs column: the column that holds the ids")
            return None, None
        system = self.text(pairs["system"], "system") if "system" in pairs else None
        return self.text(pairs["column"], "column"), system

    def encoding(self, node: yaml.Node | None) -> str | None:
        text = None if node is None else self.text(node, "encoding")
        if node is None or text is None:
            return None
        try:
            "".encode(text)
        except (LookupError, ValueError):
            self.wrong(
                _line(node),
                f"encoding {quoted(text)} isn't known; write utf-8, utf-16, cp1252 or leave it out",
            )
            return None
        return codecs.lookup(text).name

    def delimiter(self, node: yaml.Node | None) -> str | None:
        text = None if node is None else self.text(node, "delimiter")
        if node is None or text is None:
            return None
        if text.lower() not in _DELIMITERS:
            self.wrong(_line(node), f"delimiter {quoted(text)} isn't allowed; allowed: ',' ';' '|' tab")
        return _DELIMITERS.get(text.lower())

    def flag(self, node: yaml.Node | None, what: str) -> bool:
        if node is None:
            return False
        text = self.text(node, what)
        if text is not None and text.lower() not in ("true", "false", "yes", "no"):
            self.wrong(_line(node), f"{what} {quoted(text)} isn't allowed; allowed: true, false")
        return text is not None and text.lower() in ("true", "yes")

    def http(self, node: yaml.Node | None) -> HttpOverrides:
        if node is None or _is_null(node):
            return HttpOverrides()
        numbers: dict[str, float] = {}
        for key, value in self.pairs(node, _HTTP_KEYS, "key of http").items():
            number = self.number(value, key)
            if number is not None:
                numbers[key] = number
        retries = numbers.pop("retries", None)
        return HttpOverrides(**numbers, retries=None if retries is None else int(retries))

    def number(self, node: yaml.Node, what: str) -> float | None:
        text = self.text(node, what)
        if text is None:
            return None
        is_count = what == "retries"
        if not re.fullmatch(r"\d{1,6}" if is_count else r"\d{1,6}(\.\d+)?", text):
            self.wrong(_line(node), f"{what} {quoted(text)} isn't a {'whole ' if is_count else ''}number")
            return None
        number = float(text)
        if is_count and number > 10:
            self.wrong(_line(node), f"{what} is {text}, but 10 is the largest allowed")
        if not is_count and number == 0:
            self.wrong(_line(node), f"{what} must be more than 0")
        return number

    def percent(self, node: yaml.Node | None, what: str, default: float) -> float:
        text = None if node is None else self.text(node, what)
        if node is None or text is None:
            return default
        if not re.fullmatch(r"\d{1,3}(\.\d+)?\s*%?", text) or float(text.rstrip(" %")) > 100:
            self.wrong(_line(node), f"{what} {quoted(text)} isn't a percentage from 0 to 100")
            return default
        return float(text.rstrip(" %"))


def _is_variable_name(text: str) -> bool:
    """Tell a variable's name from a token pasted in its place: names have words, tokens digits."""
    looks_like_token = "_" not in text and len(text) >= 16 and any(char.isdigit() for char in text)
    return bool(_SECRET_VARIABLE_NAME.fullmatch(text)) and len(text) <= 64 and not looks_like_token


def _format_problem(text: str) -> str | None:
    if text in NUMBER_FORMATS:
        return None
    directives = _DIRECTIVE.findall(text)
    if not directives:
        close = difflib.get_close_matches(text, NUMBER_FORMATS, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        return f"has no %{hint}; write e.g. %d/%m/%Y %H:%M, or one of {', '.join(NUMBER_FORMATS)}"
    unknown = [f"%{letter}" for letter in directives if not letter or letter not in _DIRECTIVES]
    if unknown:
        return f"holds {unknown[0]}; allowed: {', '.join('%' + letter for letter in _DIRECTIVES)}"
    if not (set("Yy") & set(directives) and set("mbB") & set(directives) and "d" in directives):
        return "needs a day (%d), a month (%m or %b) and a year (%Y)"
    return None

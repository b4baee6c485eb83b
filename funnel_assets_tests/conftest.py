"""What every test may use, and the order in which modules start."""

import gc

import pytest
from hypothesis import settings

pytest_plugins = ["funnel_assets_tests.postgres_fixture"]

settings.register_profile("suite", max_examples=30, deadline=None)
settings.load_profile("suite")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was imported stays: looking through it for garbage again and again takes a tenth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_unconfigure() -> None:
    """Let the interpreter end as usual."""
    gc.unfreeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the mutation run counted, whichever worker did it."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    lines = [value for report in reports for name, value in report.user_properties if name == "mutations"]
    if lines:
        terminalreporter.section("mutated reports")
        terminalreporter.write_line("\n".join(sorted(lines)))


# Modules that mostly wait come first and run beside those that mostly compute; long ones never start last.
LONGEST = (
    "end_to_end/test_three_uses.py",
    "pipeline/test_restatement.py",
    "pipeline/test_histories.py",
    "test_cli.py",
    "orchestration/",
    "pipeline/",
    "sources/zoom/test_fuzz_",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        return next((n for n, part in enumerate(LONGEST) if part in item.nodeid), len(LONGEST))

    items.sort(key=rank)

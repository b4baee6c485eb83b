"""The terminal.

Belongs here: the console that every command prints on. What is printed comes from files of others, so no command has
to remember to clean it.
"""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from funnel_assets.shown import shown


class SafeConsole(Console):
    """A console that prints no control character but those of its own styles."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is printed, its text made harmless."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else shown(text), style, control)

"""What a replay shows: a bar where there is a terminal, plain lines where there is none."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from printable import printable

LINE_SECONDS = 10
MOST_ROWS = 12


class Screen:
    """Prints to standard output. What senders wrote is shown with its control characters escaped."""

    def __init__(self):
        self.console = Console(highlight=False, soft_wrap=True)

    def say(self, text):
        self.console.print(Text(printable(text)))

    def table(self, title, rows, columns=("events", "")):
        """A table of (number, text) rows; those after the first dozen are counted."""
        rows = list(rows)
        if not rows:
            return
        table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(columns[0], justify="right")
        table.add_column(columns[1], overflow="fold")
        for number, text in rows[:MOST_ROWS]:
            table.add_row(number if isinstance(number, str) else f"{number:,}", Text(printable(text)))
        if len(rows) > MOST_ROWS:
            table.add_row("", f"and {len(rows) - MOST_ROWS:,} more")
        self.console.print(table)

    def progress(self, what, total):
        """A context manager: what is done of `total`."""
        return Bar(self.console, what, total) if self.console.is_terminal else Lines(self.console, what, total)


class Bar:
    """A bar with what is done, the rate, and the time that is left."""

    def __init__(self, console, what, total):
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[detail]}"), console=console, refresh_per_second=5)
        self._task = self._progress.add_task(what, total=total, detail="")

    def __enter__(self):
        self._progress.start()
        return self

    def __exit__(self, *_):
        self._progress.stop()

    def advance(self, number, detail=""):
        self._progress.update(self._task, advance=number, detail=detail)

    def notice(self, text):
        self._progress.console.print(Text(printable(text)))


class Lines:
    """A line every ten seconds."""

    def __init__(self, console, what, total):
        self._console, self._what, self._total = console, what, total
        self._done, self._detail, self._next = 0, "", time.monotonic() + LINE_SECONDS

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._print()

    def advance(self, number, detail=""):
        self._done += number
        self._detail = detail or self._detail
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_SECONDS
            self._print()

    def notice(self, text):
        self._console.print(Text(printable(text)))

    def _print(self):
        of = f" of {self._total:,}" if self._total else ""
        self._console.print(Text(f"{self._what}: {self._done:,}{of} {self._detail}".rstrip()))

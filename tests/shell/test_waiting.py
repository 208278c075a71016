"""What is waited for is shown on a terminal as it is named."""

import io

import pytest
from typing_extensions import override

from depthwalker.shell.waiting import waiting


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


def test_what_is_named_is_neither_markup_nor_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("TERM", "xterm")

    with waiting("reading [/markets]") as told:
        told("executing on [/tmp]/a\x1b]0;b.jsonl")

    assert r"executing on [/tmp]/a\u001b]0;b.jsonl" in shown.getvalue()

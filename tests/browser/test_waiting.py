"""Asking a page while one document gives way to the next is asking too early, nothing worse."""

from __future__ import annotations

import pytest

from tests.browser.waiting import BETWEEN, Error, until


@pytest.mark.parametrize("told", BETWEEN)
def test_between_two_documents_is_not_yet(told):
    answers = iter([Error(f"Page.evaluate: {told}, most likely because of a navigation"), False, True])

    def condition():
        answer = next(answers)
        if isinstance(answer, Error):
            raise answer
        return answer

    until(condition)
    assert next(answers, "asked three times") == "asked three times"


def test_another_error_is_told():
    def condition():
        raise Error("Page.evaluate: Target page, context or browser has been closed")

    with pytest.raises(Error, match="has been closed"):
        until(condition)

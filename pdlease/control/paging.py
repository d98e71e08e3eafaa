"""
Documents as JSON text in pages: what an answer of any length becomes on the wire, and back.

One AMP value holds 65,535 octets, so a document travels as its ASCII JSON text cut into pages; the daemon keeps what is
left of it behind a token (L{PageStore}), bounded for each connection.  Neither Twisted nor zope is imported here.
"""

from __future__ import annotations

import json
from collections import OrderedDict

from pdlease.control.errors import InvalidError
from pdlease.control.vocabulary import PAGE_OCTETS

#: How many unfinished documents a connection keeps.
KEPT_DOCUMENTS = 4

#: Plain data: dict, list, str, int, float, bool, None.
Document = object


def encode_document(document: Document) -> bytes:
    """The ASCII JSON text of plain data; infinite and undefined numbers are a mistake of ours, not JSON."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")


def decode_document(text: bytes) -> object:
    """
    The plain data of a document's joined pages.

    @raise ValueError: if it is no JSON.
    """
    decoded: object = json.loads(text)
    return decoded


class PageStore:
    """
    The unfinished documents of one connection.

    Each is kept once as it was made, so that the pages of one document belong together however much has changed since.
    """

    def __init__(self, octets: int = PAGE_OCTETS) -> None:
        self._octets = octets
        self._left: OrderedDict[str, memoryview] = OrderedDict()
        self._count = 0

    def first(self, document: Document) -> dict[str, object]:
        """The answer with the first page of a document."""
        return self._page(memoryview(encode_document(document)))

    def next(self, token: str) -> dict[str, object]:
        """
        The answer with the page behind a token.

        @raise InvalidError: when the token is not known (any more).
        """
        left = self._left.pop(token, None)
        if left is None:
            raise InvalidError("this page token is not known (any more); ask for the document again")
        return self._page(left)

    def _page(self, text: memoryview) -> dict[str, object]:
        page, left = bytes(text[: self._octets]), text[self._octets :]
        if not left:
            return {"page": page, "more": None}
        self._count += 1
        token = str(self._count)
        self._left[token] = left
        while len(self._left) > KEPT_DOCUMENTS:
            self._left.popitem(last=False)
        return {"page": page, "more": token}

"""
What the tests of every option have in common: both directions, and every way to be cut.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire.chain import MalformedOption, Option, write_options
from pdlease.wire.messages import AT_TOP, decode
from pdlease.wire.reader import WireError
from tests.packets import octets


class OptionCase(SynchronousTestCase):
    """
    Helps to test options that stand directly in a message.
    """

    def assert_option(self, option: Option, text: str) -> None:
        """
        A value is written as these octets (code and length included), and these are read as that value.
        """
        data = octets(text)
        self.assertEqual(write_options((option,)), data)
        self.assertEqual(decode(b"\7abc" + data).options, (option,))
        self.assertEqual(option.code, int.from_bytes(data[:2], "big"))

    def assert_malformed(self, text: str, problem: str) -> None:
        """
        These octets (code and length included) are a malformed option, for a reason told with offsets that count from
        the beginning of a message that begins with this option.
        """
        data = octets(text)
        (option,) = decode(b"\7abc" + data).options
        self.assertIsInstance(option, MalformedOption)
        assert isinstance(option, MalformedOption)
        self.assertEqual(str(option.problem), problem)
        self.assertEqual(write_options((option,)), data)

    def assert_shortest(self, code: int, shortest: int, content: bytes) -> None:
        """
        Less content than C{shortest} is an error that lies within the option, and just as much is not.
        """
        for length in range(shortest):
            error = self.assertRaises(WireError, AT_TOP[code], b"----" + content, 4, 4 + length)
            self.assertLessEqual(error.offset, 4 + length)
        AT_TOP[code](b"----" + content, 4, 4 + shortest)

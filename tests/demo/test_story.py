"""Tests of L{pdlease.demo.story}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.demo.story import sentence


def prefix(text: str, valid: int = 0) -> dict[str, object]:
    """A prefix as the server prints it."""
    return {"prefix": text, "preferred": valid // 2, "valid": valid}


def message(kind: str, *prefixes: dict[str, object], event: str = "received", **more: object) -> dict[str, object]:
    """A message as the server prints it."""
    return {
        "event": event,
        "type": kind,
        "ia_pds": [{"iaid": 1, "t1": 5, "t2": 9, "prefixes": list(prefixes), **more}],
    }


class SentenceTests(SynchronousTestCase):
    """
    L{sentence}.
    """

    def said(self, *arguments: object, **more: object) -> str:
        """The sentence without who speaks to whom."""
        return sentence(message(*arguments, **more)).split(maxsplit=4)[4]  # type: ignore[arg-type]

    def test_directions(self) -> None:
        """
        What the server received came from the router, what it sent goes there.
        """
        self.assertTrue(sentence(message("SOLICIT")).startswith("router -> isp  SOLICIT "))
        self.assertTrue(sentence(message("REPLY", event="sent")).startswith("isp -> router  REPLY "))

    def test_asking(self) -> None:
        """
        A length is a wish for a length, a prefix a wish for that prefix, nothing a wish for any.
        """
        self.assertIn("I need a prefix.", self.said("SOLICIT"))
        self.assertIn("I need a prefix of length 60.", self.said("SOLICIT", prefix("::/60")))
        self.assertEqual(self.said("REQUEST", prefix("2001:db8::/60")), "Then please give me 2001:db8::/60.")
        self.assertIn(
            "may I keep 2001:db8::/60, 2001:db8:1::/60 and 2001:db8:2::/60?",
            self.said("RENEW", prefix("2001:db8::/60"), prefix("2001:db8:1::/60"), prefix("2001:db8:2::/60")),
        )

    def test_granting(self) -> None:
        """
        A Reply says what is given, for how long, and when to ask again.
        """
        self.assertEqual(
            self.said("REPLY", prefix("2001:db8::/60", 60)), "2001:db8::/60 is yours for 60 s; ask again after 5 s."
        )

    def test_taking_away(self) -> None:
        """
        A prefix with lifetime 0 is taken away.
        """
        said = self.said("REPLY", prefix("2001:db8:1::/60", 60), prefix("2001:db8::/60"))
        self.assertTrue(said.endswith("ask again after 5 s. 2001:db8::/60 is yours no more."), said)

    def test_refusing(self) -> None:
        """
        A status without a prefix is a refusal, in the server's words or by its number.
        """
        self.assertEqual(self.said("REPLY", status={"code": 6, "text": "sold out"}), "No: sold out.")
        self.assertEqual(self.said("REPLY", status={"code": 6, "text": ""}), "No: 6.")

    def test_other_messages(self) -> None:
        """
        A Reply without associations is assent; what has no words here still has a line.
        """
        self.assertTrue(sentence({"event": "sent", "type": "REPLY", "ia_pds": []}).endswith("Very well."))
        self.assertIn("99", sentence({"event": "received", "type": "99", "ia_pds": []}))
        self.assertIn("nothing that can be read", sentence({"event": "received", "octets": 0, "problem": "empty"}))

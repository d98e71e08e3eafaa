"""
Tests of L{pdlease.config.leasedconf}.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.checks import LARGEST
from pdlease.config.errors import ConfigErrors
from pdlease.config.leasedconf import MOST_ERRORS, parse, unused_macros
from pdlease.config.model import Config, Delegation, Uplink
from pdlease.subnets import Downstream, offsets
from tests.config.forms import PIECES, configurations, layouts

FULL = "request prefix delegation on em0 for { em1 em2/60 reserve em3/56 em4 }\n"


def problems(data: str | bytes) -> list[str]:
    """Everything that is wrong with a file, a line each."""
    try:
        parse(data.encode() if isinstance(data, str) else data, "x.conf")
    except ConfigErrors as errors:
        return str(errors).splitlines()
    return []


def only(text: str) -> Delegation:
    """The one delegation of a file."""
    (uplink,) = parse(text.encode(), "x.conf").uplinks
    (delegation,) = uplink.delegations
    return delegation


def targets(text: str) -> Delegation:
    """The delegation for these targets."""
    return only(f"request prefix delegation on em0 for {{ {text} }}\n")


class ModelTests(SynchronousTestCase):
    """
    What a right file means (seed-behaviour 2.1, 2.4).
    """

    def test_full(self) -> None:
        """
        Every statement goes into the model that TOML has: an uplink a link, a delegation a statement, with just the
        length that is needed as its hint.
        """
        text = FULL + "request prefix delegation on em0 for em5/64\nrequest prefix delegation on eth0.10 for em1\n"
        self.assertEqual(
            parse(text.encode(), "x.conf"),
            Config(
                uplinks=(
                    Uplink(
                        name="em0",
                        link="em0",
                        delegations=(
                            Delegation(
                                key="em1",
                                hint="exact",
                                downstreams=(
                                    Downstream(link="em1"),
                                    Downstream(link="em2", length=60),
                                    Downstream(length=64),
                                    Downstream(link="em3", length=56),
                                    Downstream(link="em4"),
                                ),
                            ),
                            Delegation(key="em5", hint="exact", downstreams=(Downstream(link="em5"),)),
                        ),
                    ),
                    Uplink(
                        name="eth0.10",
                        link="eth0.10",
                        delegations=(Delegation(key="em1", hint="exact", downstreams=(Downstream(link="em1"),)),),
                    ),
                )
            ),
        )

    def test_rapid_commit(self) -> None:
        """
        Rapid commit is off, and one statement anywhere switches it on for every uplink.
        """
        text = "request prefix delegation on {} for em1\n"
        for before, after, on in (
            ("", "", False),
            ("request rapid commit\n", "", True),
            ("", "request rapid commit", 1),
        ):
            config = parse((before + text.format("a") + text.format("b") + after).encode(), "x.conf")
            self.assertEqual([uplink.rapid_commit for uplink in config.uplinks], [bool(on)] * 2)

    def test_layouts(self) -> None:
        """
        Targets stand on one line or several, with comments and empty lines between them, or alone without braces.
        """
        for text in (
            "request prefix delegation on em0 for { em1 em2 }",
            "request prefix delegation on em0 for {em1 em2}\n\n",
            "\n# c\nrequest prefix delegation on em0 for { # c\n\n em1 # c\n\n\tem2\n\n} # c",
            "request prefix \\\n delegation on 'em0' for {\nem1\n'em2/64'}",
        ):
            self.assertEqual([d.link for d in only(text).downstreams], ["em1", "em2"], text)
        self.assertEqual(only("request prefix delegation on em0 for em1/60").downstreams[0].length, 60)

    def test_macros(self) -> None:
        """
        Macros are defined, defined anew, made of several words and of other macros, and used for any word.
        """
        text = (
            "up = em0\nlan=em1\n two = $lan/60 'em2' \"em3/56\"\nlan = em4\n"
            "request prefix delegation on $up for { $two $lan }\n"
        )
        delegation = only(text)
        self.assertEqual(
            [(downstream.link, downstream.length) for downstream in delegation.downstreams],
            [("em1", 60), ("em2", 64), ("em3", 56), ("em4", 64)],
        )
        self.assertEqual(
            [d.link for d in only('k = "for em1"\nrequest prefix delegation on em0 $k').downstreams], ["em1"]
        )

    def test_names(self) -> None:
        """
        Keywords and digits are names in quotes; an uplink may be its own downstream; a link may be downstream of
        several uplinks; reserves may be repeated.
        """
        self.assertEqual([d.link for d in targets("'for' \"123/60\" em0 reserve reserve/60").downstreams],
                         ["for", "123", "em0", None, None])  # fmt: skip
        self.assertEqual(problems("request prefix delegation on a for c\nrequest prefix delegation on b for c"), [])

    @given(st.data(), configurations())
    @settings(deadline=None)
    def test_any_layout(self, data: st.DataObject, config: Config) -> None:
        """
        However a configuration is laid out, with macros, quotes, joined lines and comments, it is the same one.
        """
        self.assertEqual(parse(data.draw(layouts(config)).encode(), "x.conf"), config)

    def test_worked_examples(self) -> None:
        """
        The plans of seed-behaviour 2.6: the length asked for, and where each subnet stands.
        """
        block, one = 1 << 64, 1
        for text, length, places in (
            ("em1/64", 64, [0]),
            ("em1 em2", 63, [0, block]),
            ("em1 em2 em3", 62, [0, block, 2 * block]),
            ("a b c d e", 61, [n * block for n in range(5)]),
            ("em1/64 em2/60", 59, [0, 0x10 * block]),
            ("em1/60 em2/64", 59, [0, 0x10 * block]),
            ("em1/72 em2/72", 71, [0, 0x0100000000000000]),
            ("em1/65 em2/65 em3/65", 63, [0, 0x8000000000000000, block]),
            ("em1/64 em2/72", 63, [0, block]),
            ("em1/128 em2/128 em3/128", 126, [0, one, 2]),
            ("em1 em2/60 reserve em3/56 em4", 54, [n * block for n in (0, 0x10, 0x20, 0x100, 0x200)]),
        ):
            delegation = targets(text)
            self.assertEqual(delegation.requested_length, length, text)
            self.assertEqual(list(offsets(delegation.downstreams)), places, text)


class ErrorTests(SynchronousTestCase):
    """
    What a wrong file is told (seed-behaviour 2.5).
    """

    def test_all_at_once(self) -> None:
        """
        Every error has file and line; reading goes on at the next line, within the same block; no error leads to
        another.
        """
        text = (
            "request prefix delegation on em0 for { em1, em2 }\n"
            "request prefix delegation on em1 for {\n"
            " $no/60 em1\n"
            " em1/129\n"
            " em3/0 for em9\n"
            " averyverylongname\n"
            " em1\n"
            "}\n"
            "request rapid comit\n"
            "request rapid commit\n"
            "'a b' = c\n"
        )
        self.assertEqual(
            problems(text),
            [
                'x.conf:1: syntax error: expected the name of an interface, not ","',
                "x.conf:3: macro 'no' not defined",
                'x.conf:4: error parsing interface "em1/129": expected a prefix length from 1 to 128',
                'x.conf:5: error parsing interface "em3/0": expected a prefix length from 1 to 128',
                'x.conf:5: syntax error: expected the name of an interface, not the keyword "for" (as a name it must '
                "be quoted)",
                'x.conf:6: "averyverylongname" is too long for the name of a link: 15 bytes at most',
                "x.conf:7: duplicate interface em1, which stands in line 3 already",
                'x.conf:9: syntax error: expected "commit", not "comit"',
                "x.conf:11: macro name cannot contain whitespace",
            ],
        )

    def test_grammar(self) -> None:
        """
        What is no sentence is one syntax error in its line.
        """
        for text, line in (
            ("request", 1),
            ("request prefix delegation on em0 for", 1),
            ("request prefix delegation on em0 for em1 em2", 1),
            ("request prefix delegation on em0 for { }", 1),
            ("request prefix delegation on em0 for {\n\n}", 3),
            ("request prefix delegation on em0 for { em1 } em2", 1),
            ("request prefix delegation on em0 for { em1\n", 2),
            ("request prefix delegation on em0 for { {\nem1 }", 1),
            ("request prefix delegation on 0 for em1", 1),
            ("request prefix delegation on for for em1", 1),
            ("request prefix delegation em0 for em1", 1),
            ("\n\nx", 3),
            ("x =", 1),
            ("x = 64", 1),
            ("x = for", 1),
            ("= x", 1),
            ("for = x", 1),
            ("include 'x'", 1),
            ("}", 1),
            ("request prefix delegation on em0 for em1\r", 1),
        ):
            found = problems(text)
            self.assertEqual(len(found), 1, (text, found))
            self.assertIn(f"x.conf:{line}: syntax error: expected ", found[0])

    def test_macros(self) -> None:
        """
        An undefined macro is one error wherever it stands, and so is a value that is too long in all.
        """
        for text in (
            "request prefix delegation on $no for em1",
            FULL + "x = $no y",
            "request prefix delegation on em0 for $no",
        ):
            self.assertEqual(problems(text)[-1:], [f"x.conf:{text.count(chr(10)) + 1}: macro 'no' not defined"])
            self.assertEqual(len(problems(text)), 1)
        self.assertEqual(problems(f"{FULL}x = {'y' * 5000} {'y' * 5000}\n"), ["x.conf:2: string too long"])

    def test_no_newline_before_the_block(self) -> None:
        """
        The block begins in the line of C{for}.
        """
        self.assertTrue(problems("request prefix delegation on em0 for\n{ em1 }\n")[0].startswith("x.conf:1: syntax"))

    def test_forgotten_brace(self) -> None:
        """
        A block without an end ends where the next statement begins, and that is read.
        """
        text = "request prefix delegation on em0 for {\n em1\n\nrequest prefix delegation on em0 for em1/0\n"
        found = problems(text)
        self.assertEqual([problem.split(": ")[0] for problem in found], ["x.conf:4", "x.conf:4"])
        self.assertIn('expected "}"', found[0])
        self.assertIn("em1/0", found[1])

    def test_names(self) -> None:
        """
        The name of a link is checked, of uplinks and targets, and one that is too long is an ordinary error (D42).
        """
        for name in ("a" * 16, "", "a b", "..", "\u00e4" * 8, "a:b"):
            self.assertEqual(len(problems(f'request prefix delegation on "{name}" for em1')), 1, name)
            self.assertEqual(len(problems(f'request prefix delegation on em0 for "{name}"')), 1, name)
        self.assertEqual(problems(f"request prefix delegation on {'a' * 15} for {'b' * 15}"), [])
        self.assertEqual(len(problems(b"request prefix delegation on '\xff' for em1")), 1)
        self.assertEqual(len(problems("request prefix delegation on '-a' for em1")), 1)

    def test_lengths(self) -> None:
        """
        A length is a number from 1 to 128: 0 can never be delegated (D43).
        """
        for length in ("0", "129", "x", "", "-1", "+1", "1.5", "\u0661", "9" * 5000, "64/1"):
            found = problems(f'request prefix delegation on em0 for "em1/{length}"')
            self.assertEqual(len(found), 1, length)
            self.assertIn("error parsing interface", found[0])
        self.assertEqual(targets("em1/064").downstreams[0].length, 64)

    def test_too_large(self) -> None:
        """
        What together needs more than any server delegates, or than there is, is an error (D43).
        """
        for text in ("a/8", "a/17 b/17 c/17", "a/1 b/1", "a/1 b/1 c/1"):
            self.assertEqual(len(problems(f"request prefix delegation on em0 for {{ {text} }}")), 1, text)

    def test_duplicates(self) -> None:
        """
        A target stands once under one uplink, over all its delegations; so does what a delegation of reserves alone
        is known by.
        """
        text = "request prefix delegation on em0 for em1\n\nrequest prefix delegation on em0 for { em2 em1/60 }"
        self.assertEqual(problems(text), ["x.conf:3: duplicate interface em1, which stands in line 1 already"])
        text = "request prefix delegation on em0 for '#1'\nrequest prefix delegation on em0 for reserve"
        self.assertEqual(problems(text), ["x.conf:2: duplicate interface #1, which stands in line 1 already"])

    def test_many_delegations(self) -> None:
        """
        More than 32 delegations on one uplink are an error, and so are more than fit a Solicit.
        """
        text = [f"request prefix delegation on em0 for lan{number}\n" for number in range(34)]
        self.assertEqual(problems("".join(text[:25])), [])
        self.assertIn("x.conf:1: a Solicit for these 26 delegations", problems("".join(text[:26]))[0])
        self.assertEqual(
            problems("".join(text))[0], "x.conf:33: Too many prefix delegation requests on em0: 32 at most"
        )

    def test_nothing(self) -> None:
        """
        A file that asks for nothing is an error of the whole file, and so is one that is far too large.
        """
        for text in ("", "\n\n", "# nothing", "request rapid commit\n", "x = y"):
            self.assertEqual(len(problems(text)), 1)
            self.assertTrue(problems(text)[0].startswith("x.conf: nothing to do"))
        self.assertEqual(problems(b"#" * (LARGEST + 1)), [f"x.conf: the file is larger than {LARGEST} bytes"])

    def test_many_errors(self) -> None:
        """
        The errors that are told are bounded.
        """
        self.assertEqual(len(problems("}\n" * 10_000)), MOST_ERRORS + 1)
        self.assertEqual(len(problems("request prefix delegation on em0 for {" + " ',\n" * 10_000)), MOST_ERRORS + 1)

    @given(st.binary(max_size=200) | PIECES)
    @settings(deadline=None)
    def test_any_bytes(self, data: bytes) -> None:
        """
        Any bytes are a configuration, or errors.
        """
        problems(data)


class UnusedTests(SynchronousTestCase):
    """
    Macros that nothing uses.
    """

    def test_unused(self) -> None:
        """
        A macro that nothing uses after it was defined last is named, with that line (D45).
        """
        text = f"a = em0\nb = $a\nc = d\n\nb = e\n{FULL}"
        self.assertEqual(
            [warning.of("x.conf") for warning in unused_macros(text.encode(), "x.conf")],
            ["x.conf:5: macro 'b' not used", "x.conf:3: macro 'c' not used"],
        )

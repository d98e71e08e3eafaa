"""
Tests of L{pdlease.config.tokens}.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.tokens import KEYWORDS, LARGEST_EXPANSION, LONGEST_WORD, Kind, Tokens, decoded, written

WORDS = st.text(st.characters(exclude_characters="\0\n", exclude_categories=("Cs",)), max_size=20)


class Read:
    """
    Tokens of a text.

    @ivar tokens: kind and text of each, without the last end of line and the end.
    @ivar lines: the line of each.
    @ivar errors: what was told.
    """

    def __init__(self, data: str | bytes, **macros: str) -> None:
        self.errors: list[tuple[int, str]] = []
        tokens = Tokens(data.encode() if isinstance(data, str) else data, lambda *error: self.errors.append(error))
        for name, value in macros.items():
            tokens.define(name, value, 0)
        found = []
        while (token := tokens.next()).kind is not Kind.END:
            found.append(token)
        assert tokens.next().kind is Kind.END
        assert found.pop().kind is Kind.NEWLINE
        self.tokens = [(token.kind, decoded(token.text)) for token in found]
        self.lines = [token.line for token in found]


def words(data: str | bytes, **macros: str) -> list[str]:
    """The texts of the tokens, all of which must be words."""
    read = Read(data, **macros)
    assert read.errors == [], read.errors
    assert {kind for kind, _ in read.tokens} <= {Kind.WORD}, read.tokens
    return [text for _, text in read.tokens]


class WordTests(SynchronousTestCase):
    """
    Bare words, keywords, numbers, marks (seed-behaviour 2.2).
    """

    def test_bare_words(self) -> None:
        """
        Letters, digits, colon and underscore begin a word; most punctuation goes on with it.
        """
        for text in ("eth0.10/64", "br-lan", "wg0@if3/64", "_x", ":x", "0em", "64x/64", "a$b", "a\"b'c", "a;b"):
            self.assertEqual(words(text), [text])

    def test_what_ends_a_bare_word(self) -> None:
        """
        Blanks, the end of the line and these marks end a word.
        """
        for mark in "(){}!=,":
            self.assertEqual(
                Read(f"a{mark}b").tokens, [(Kind.WORD, "a"), (Kind.MARK, mark), (Kind.WORD, "b")], repr(mark)
            )
        self.assertEqual(words("a b\tc"), ["a", "b", "c"])
        self.assertEqual(words("a#b"), ["a"])

    def test_keywords(self) -> None:
        """
        The seven keywords are keywords when they stand bare, as whole words; nothing else is reserved.
        """
        self.assertEqual(KEYWORDS, {"commit", "delegation", "for", "on", "prefix", "rapid", "request"})
        for word in KEYWORDS:
            self.assertEqual(Read(word).tokens, [(Kind.KEYWORD, word)])
            self.assertEqual(words(f'"{word}" {word}x'), [word, f"{word}x"])
        self.assertEqual(words("include reserve"), ["include", "reserve"])

    def test_numbers(self) -> None:
        """
        Digits that end at a blank, the end or one of these marks are a number, which is no word.
        """
        for text in ("64", "-64", "0"):
            for end in ("", " ", "\t", "\n"):
                self.assertEqual(Read(text + end).tokens[0], (Kind.NUMBER, text))
        for mark in "),/}=":
            self.assertEqual(Read(f"64{mark}").tokens, [(Kind.NUMBER, "64"), (Kind.MARK, mark)])
        self.assertEqual(Read("-x").tokens, [(Kind.MARK, "-"), (Kind.WORD, "x")])
        self.assertEqual(Read("-6x").tokens, [(Kind.MARK, "-"), (Kind.WORD, "6x")])
        self.assertEqual(words("64#"), ["64"])

    def test_not_ascii(self) -> None:
        """
        Letters beyond ASCII are words in quotes only; what is not UTF-8 is read, and is the name of nothing.
        """
        self.assertEqual(words('"\u00e4"'), ["\u00e4"])
        self.assertEqual({kind for kind, _ in Read("\u00e4").tokens}, {Kind.MARK})
        self.assertEqual(words(b'"\xff"'), ["\udcff"])

    def test_longest(self) -> None:
        """
        A word has at most 8096 bytes, quoted or not; after a longer one reading goes on at the next line.
        """
        longest = "x" * LONGEST_WORD
        self.assertEqual(words(f'{longest} "{longest}"'), [longest, longest])
        for text in (f"{longest}x rest\nnext", f'"{longest}x" rest\nnext', "1" * 8097 + " rest\nnext"):
            read = Read(text)
            self.assertEqual(read.errors, [(1, "string too long")])
            self.assertEqual(read.tokens[0][0], Kind.BROKEN)
            self.assertEqual(read.tokens[-2:], [(Kind.NEWLINE, ""), (Kind.WORD, "next")])


class LineTests(SynchronousTestCase):
    """
    Lines and comments.
    """

    def test_lines(self) -> None:
        """
        A token knows its line, also behind joined lines, comments and quotes over several lines.
        """
        read = Read("a\n# c\nb \\\nc\n'd\ne' f\\\ng\n\nh")
        self.assertEqual(
            [(text, line) for (kind, text), line in zip(read.tokens, read.lines, strict=True) if kind is Kind.WORD],
            [("a", 1), ("b", 3), ("c", 4), ("de", 5), ("fg", 6), ("h", 9)],
        )

    def test_backslash(self) -> None:
        """
        Outside of quotes a backslash joins lines, and before anything else yields that character.
        """
        self.assertEqual(words("a\\\nb"), ["ab"])
        self.assertEqual(words("a\\b"), ["ab"])
        self.assertEqual(words("a\\\\b"), ["a\\b"])

    def test_comments(self) -> None:
        """
        A comment goes to the end of its line, and with a backslash there, to the end of the next.
        """
        self.assertEqual([text for _, text in Read("a # b \" ' $x\nc").tokens], ["a", "", "c"])
        self.assertEqual([text for _, text in Read("a # b \\\nc\nd").tokens], ["a", "", "d"])
        self.assertEqual(words("'a # b'"), ["a # b"])

    def test_last_line(self) -> None:
        """
        The last line need not end.
        """
        self.assertEqual(words("a"), ["a"])
        self.assertEqual(words("$x", x="a"), ["a"])
        self.assertEqual(Read("").tokens, [])
        self.assertEqual(Read("# comment").tokens, [])


class QuoteTests(SynchronousTestCase):
    """
    Quoted words.
    """

    def test_quotes(self) -> None:
        """
        Between quotes of either kind everything is itself, blanks and the other kind included, and ends of lines are
        dropped.
        """
        self.assertEqual(words('"a b" \'c "d\' "e\'f"'), ["a b", 'c "d', "e'f"])
        self.assertEqual(words('"a\nb"'), ["ab"])
        self.assertEqual(words("''"), [""])

    def test_backslash(self) -> None:
        """
        A backslash before the same quote, a space or a tab yields that; with the end of the line it is dropped; before
        anything else it stays.
        """
        self.assertEqual(words(r'"a\"b" "a\'b" "a\ b" "a\nb" "a\\b"'), ['a"b', r"a\'b", "a b", r"a\nb", r"a\\b"])
        self.assertEqual(words('"a\\\nb" "a\\\tb"'), ["ab", "a\tb"])

    def test_no_end(self) -> None:
        """
        A quote that is never closed is an error in the line where it was opened.
        """
        read = Read("a\n 'b\nc\n")
        self.assertEqual(read.errors, [(2, "reached end of file while parsing quoted string")])

    def test_nul(self) -> None:
        """
        A NUL in quotes is a syntax error, and reading goes on at the next line.
        """
        read = Read("'a\0b' c\nd")
        self.assertEqual([line for line, _ in read.errors], [1])
        self.assertIn("syntax error", read.errors[0][1])
        self.assertEqual([text for kind, text in read.tokens if kind is Kind.WORD], ["d"])


class MacroTests(SynchronousTestCase):
    """
    Macros (seed-behaviour 2.3).
    """

    def test_expanded(self) -> None:
        """
        At the start of a token a macro stands for its value, glued to what follows; several words are several tokens.
        """
        self.assertEqual(words("$lan/60", lan="em1"), ["em1/60"])
        self.assertEqual(words("a $l b", l="c d"), ["a", "c", "d", "b"])
        self.assertEqual(words("$l.5/60", l="c d"), ["c", "d.5/60"])
        self.assertEqual(words("$n b", n=""), ["b"])
        self.assertEqual(Read("$k", k="for").tokens, [(Kind.KEYWORD, "for")])
        self.assertEqual(words("$q", q="'a b'"), ["a b"])

    def test_elsewhere(self) -> None:
        """
        Within a word and in quotes a dollar is itself.
        """
        self.assertEqual(words('a$x "$x"', x="y"), ["a$x", "$x"])

    def test_not_recursive(self) -> None:
        """
        A value is not looked through for macros.
        """
        self.assertEqual(Read("$x", x="$y", y="z").tokens, [(Kind.MARK, "$"), (Kind.WORD, "y")])

    def test_undefined(self) -> None:
        """
        A macro that is not defined is one error in its line, and the rest of the line is read on.
        """
        read = Read("a\n$no/60 b")
        self.assertEqual(read.errors, [(2, "macro 'no' not defined")])
        self.assertEqual([kind for kind, _ in read.tokens], [Kind.WORD, Kind.NEWLINE, Kind.BROKEN, Kind.WORD])

    def test_large(self) -> None:
        """
        However often macros are used, they do not fill memory.
        """
        read = Read("$x " * 100_000, x="y" * LONGEST_WORD)
        self.assertEqual(read.errors, [(1, f"macros stand for more than {LARGEST_EXPANSION} bytes")])
        self.assertRaises(ValueError, Tokens(b"", lambda *error: None).define, "x", "y" * (LONGEST_WORD + 1), 1)


class WrittenTests(SynchronousTestCase):
    """
    Writing a word.
    """

    def test_bare(self) -> None:
        """
        A word stands bare where it can.
        """
        for word in ("em1/64", "eth0.10", "wg0@if3/64", "0em", "reserve"):
            self.assertEqual(written(word), word)

    def test_quoted(self) -> None:
        """
        It stands in quotes where it would be something else.
        """
        for word in ("for", "123", "123/64", "", "a b", "#0", "a#b", "$x", "-x", "\u00e4"):
            self.assertEqual(written(word), f'"{word}"')

    @given(WORDS | st.text("\\\" \t'a", max_size=8))
    @settings(deadline=None)
    def test_read_again(self, word: str) -> None:
        """
        Every word is read as it was before it was written.
        """
        self.assertEqual(words(f"x {written(word)} y"), ["x", word, "y"])

    @given(st.binary(max_size=200))
    @settings(deadline=None)
    def test_any_bytes(self, data: bytes) -> None:
        """
        Any bytes are tokens and errors, and come to an end.
        """
        Read(data)

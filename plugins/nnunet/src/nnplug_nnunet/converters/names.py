"""Match label maps to images by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import reduce
from operator import and_

Words = Counter[str | int]


@dataclass(frozen=True)
class Match:
    """The name that was found for another.

    Attributes:
        name: the name.
        alike: whether it was only the closest name, which a person should check.
    """

    name: str
    alike: bool = False


def match_names(wanted: Sequence[str], offered: Sequence[str]) -> dict[str, Match]:
    """Find for each wanted name the offered name of the same case.

    Equal names come first. Then come equal words: numbers are compared as numbers, and a word does not count if all
    names of one side have it and no name of the other ("seg", "scan"). Last comes the closest spelling, but never with
    other numbers. A name gets a match only if each is the single best partner of the other.

    Returns:
        wanted name -> its match, for those that have one.
    """
    found = {name: Match(name) for name in set(wanted) & set(offered)}
    by_words = _words_without_roles(wanted, offered)
    found |= _match_equal(_rest(wanted, found), _rest(offered, _names(found)), lambda name: _key(by_words[name]))
    found |= _match_alike(_rest(wanted, found), _rest(offered, _names(found)), by_words)
    return found


def common_name(a: str, b: str) -> str:
    """Return the longest common part of two names, without the separators around it."""
    block = SequenceMatcher(None, a, b, autojunk=False).find_longest_match()
    return a[block.a : block.a + block.size].strip("_-. ")


def _names(found: Mapping[str, Match]) -> set[str]:
    return {match.name for match in found.values()}


def _rest(names: Sequence[str], taken: Mapping[str, Match] | set[str]) -> list[str]:
    return [name for name in names if name not in taken]


def _words(name: str) -> Words:
    return Counter(int(word) if word.isdecimal() else word for word in re.findall(r"\d+|[^\W\d_]+", name.lower()))


def _words_without_roles(wanted: Sequence[str], offered: Sequence[str]) -> dict[str, Words]:
    """Return each name's words, without those that only mark one of the two folders."""
    sides = [{name: _words(name) for name in names} for names in (wanted, offered)]
    result: dict[str, Words] = {}
    for own, other in (sides, sides[::-1]):
        elsewhere = {word for words in other.values() for word in words}
        everywhere = reduce(and_, own.values(), next(iter(own.values()), Counter()))
        roles = {word for word in everywhere if word not in elsewhere and (isinstance(word, str) or len(own) > 1)}
        for name, words in own.items():
            result[name] = Counter({word: count for word, count in words.items() if word not in roles})
    return result


def _key(words: Words) -> Hashable:
    return frozenset(words.items())


def _match_equal(wanted: Sequence[str], offered: Sequence[str], key: Callable[[str], Hashable]) -> dict[str, Match]:
    """Pair names of equal keys that are unique on both sides."""
    theirs: dict[Hashable, list[str]] = {}
    for name in offered:
        theirs.setdefault(key(name), []).append(name)
    count = Counter(key(name) for name in wanted)
    return {
        name: Match(theirs[key(name)][0])
        for name in wanted
        if count[key(name)] == 1 and len(theirs.get(key(name), ())) == 1
    }


def _match_alike(wanted: Sequence[str], offered: Sequence[str], words: Mapping[str, Words]) -> dict[str, Match]:
    """Pair names that are each other's single closest name."""
    likeness = {
        (a, b): SequenceMatcher(None, a.lower(), b.lower(), autojunk=False).ratio()
        for a in wanted
        for b in offered
        if _same_numbers(words[a], words[b])
    }
    best = {a: _best({b: likeness[a, b] for b in offered if (a, b) in likeness}) for a in wanted}
    back = {b: _best({a: likeness[a, b] for a in wanted if (a, b) in likeness}) for b in offered}
    return {a: Match(b, alike=True) for a, b in best.items() if b is not None and back[b] == a}


def _best(scores: Mapping[str, float]) -> str | None:
    """Return the name of the highest score; None if there is none or on a tie."""
    order = sorted(scores, key=lambda name: scores[name], reverse=True)
    if not order or (len(order) > 1 and scores[order[0]] == scores[order[1]]):
        return None
    return order[0]


def _same_numbers(a: Words, b: Words) -> bool:
    """Return whether all numbers of one name occur in the other; `b` may have some if `a` has none."""
    ours, theirs = ({word for word in words if isinstance(word, int)} for words in (a, b))
    return ours <= theirs or (bool(theirs) and theirs <= ours)

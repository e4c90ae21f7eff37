"""What comes next is what came next the last time that it was like now."""

from pack.training.memory.foresight import Foresight


def next_four(foresight: Foresight) -> str:
    return "".join(key for key in map(foresight.coming, range(4)) if key is not None)


def after(uses: str, memory: int = 1000) -> str:
    foresight = Foresight(memory)
    for key in uses:
        foresight.saw(key)
    return next_four(foresight)


def test_what_is_new_foretells_nothing():
    assert after("") == after("a") == after("abc") == ""


def test_what_followed_then_follows_now():
    assert after("abcda") == "bcda"
    assert after("abcdab") == "cdab"


def test_the_longest_memory_decides():
    """b c was followed by d once and by e later: by what came before it now."""
    assert after("abcd" "xbce" "abc") == "dxbc"
    assert after("abcd" "xbce" "xbc") == "exbc"


def test_of_two_that_are_as_like_the_later():
    assert after("abc" "abd" "za") == "bdza"


def test_what_was_skipped_is_got_over():
    assert after("abcdecd" "abd")[0] == "e"


def test_no_more_is_remembered_than_it_may():
    foresight = Foresight(memory=8)
    for key in "abcd" * 50:
        foresight.saw(key)
        assert len(foresight._seen) <= 16 and sum(map(len, foresight._places.values())) == len(foresight._seen)
    for key in "abcd":
        foresight.saw(key)
    assert next_four(foresight) == "abcd"

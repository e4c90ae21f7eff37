"""Rules as text: what Block Weights and Optimizer read alike."""

from pack.training.rules import read_lines

SETTINGS = {"lr": float, "rank": int}


def read(text: str):
    return read_lines("rules", text, SETTINGS, "mid: lr=0.5")


def test_patterns_keep_their_colons_and_blanks():
    text = "down 0-3, 5: lr=0.5, rank=8  # half\n\n# nothing\n /a:?$/ : rank=2 rank=4\n*attn?*:off"
    assert read(text) == (
        [("down 0-3, 5", {"lr": 0.5, "rank": 8}), ("/a:?$/", {"rank": 4}), ("*attn?*", {"lr": 0.0})], [],
    )  # fmt: skip


def test_every_line_that_cannot_be_read_is_named_and_the_others_are_kept():
    rules, problems = read("mid lr=1\n: lr=1\nmid: lr\nmid: rnk=2\nmid: rank=2.5 lr=x\nmid:\nup: lr=2")
    assert rules == [("up", {"lr": 2.0})]
    assert [problem.split(":")[0] for problem in problems] == [f"rules, line {n}" for n in (1, 2, 3, 4, 5, 5, 6)]
    assert "'mid lr=1' has no ':'. Write for example 'mid: lr=0.5'." in problems[0]
    assert "'rnk=2' is not a setting. Did you mean 'rank'" in problems[3]
    assert "'rank=2.5': '2.5' is not a number." in problems[4]
    assert "nothing is set. Settings are lr, rank and off." in problems[6]

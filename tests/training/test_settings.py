"""What a run is made of follows from the specs: a setting that is added is compared without anybody thinking of it."""

from dataclasses import dataclass, field, make_dataclass

from pack.training.settings import allowed, allowed_differences, called, compared, departures, describe, differences, free, stands_for, told


@dataclass(frozen=True)
class Plain:
    """A choice without settings."""


@dataclass(frozen=True)
class Curved:
    c: float = 0.1


@dataclass(frozen=True)
class Spec:
    rank: int = 16
    loss: Plain | Curved = field(default_factory=Plain)
    words: tuple[str, ...] = ()
    steps: int = free(100)
    held: object = field(default=None, repr=False)


def later(spec: Spec, **fields_with_defaults):
    """`spec` as a version with more fields has it."""
    more = [(name, type(value), value) for name, value in fields_with_defaults.items()]
    return make_dataclass("Spec", more, bases=(Spec,), frozen=True)(spec.rank, spec.loss, spec.words, spec.steps)


def test_every_field_counts_unless_it_is_free():
    assert compared(Spec(loss=Curved(c=0.2)), "Node: ") == {
        "Node: rank": 16, "Node: loss": "Curved", "Node: loss.c": 0.2, "Node: words": []
    }


def test_what_differs_is_named_with_both_values():
    before = compared(Spec())
    assert differences(before, Spec(steps=5)) == []
    assert differences(before, Spec(rank=8, words=("a",))) == ["rank was 16, is now 8", "words was not set, is now ['a']"]
    assert differences(before, Spec(loss=Curved())) == ["loss was Plain, is now Curved"]
    assert differences(before, Spec(loss=Curved(c=0.3))) == ["loss was Plain, is now Curved", "loss.c was 0.1, is now 0.3"]


def test_a_setting_added_later_is_held_against_its_default():
    """A state from before it goes on while nobody has touched it, and is refused when somebody has."""
    before = compared(Spec())
    assert differences(before, later(Spec(), noise=0.0)) == []
    touched = make_dataclass("Spec", [("noise", float, 0.0)], bases=(Spec,), frozen=True)(noise=0.05)
    assert differences(before, touched) == ["noise was 0.0, is now 0.05"]


def test_departures_stay_as_they_are_when_a_field_is_added():
    assert departures(Spec(rank=8, loss=Curved(c=0.2))) == {"rank": 8, "loss": "Curved", "loss.c": 0.2}
    assert departures(later(Spec(rank=8), noise=0.0)) == departures(Spec(rank=8)) == {"rank": 8}


def test_described_for_people_with_the_names_of_choices():
    assert describe(Spec(words=("a", "b"))) == {
        "type": "Spec", "rank": 16, "loss": {"type": "Plain"}, "words": ["a", "b"], "steps": 100,
    }


@dataclass(frozen=True)
class Deep:
    count: int = field(default=4, metadata=called("random_crops"))


@dataclass(frozen=True)
class Told:
    crop: Deep = field(default_factory=Deep)
    digest: str = field(default="", metadata=stands_for("the file"))
    pace: Deep = free(default_factory=Deep)
    name: str = free("a", quiet=True)


def test_what_is_free_is_listed_with_all_that_is_in_it_but_for_the_quiet():
    before = Told()
    assert allowed(before, "Node: ") == {"Node: pace": "Deep", "Node: pace.count": 4, "Node: name": "a"}
    assert compared(before) == {"crop": "Deep", "crop.count": 4, "digest": ""}
    now = Told(pace=Deep(5), name="b")
    assert allowed_differences(allowed(before, "Node: "), now, "Node: ") == ["Node: random_crops was 4, is now 5"]
    assert differences(compared(before), now) == []


def test_a_setting_is_called_as_on_the_canvas_and_a_digest_by_what_it_stands_for():
    assert differences(compared(Told()), Told(crop=Deep(5), digest="e9c6")) == ["random_crops was 4, is now 5", "the file is another one"]


def test_a_value_is_told_on_one_short_line():
    assert told([describe(Curved(c=0.3)), describe(Spec())])[:60] == "[{'c': 0.3}, {'rank': 16, 'loss': {}, 'words': [], 'steps': "
    assert len(told(["a prompt"] * 50)) <= 80 and told(None) == told("") == told([]) == "not set"

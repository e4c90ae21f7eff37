import pytest

from pack.training.optim.arguments import argument_problems, parse_arguments
from pack.training.optim.kinds import optimizers


def parsed(text: str) -> dict:
    arguments, problems = parse_arguments(text)
    assert not problems
    return arguments


def test_kohyas_way_of_writing():
    text = "decouple=True weight_decay=0.01 d_coef=2 betas=0.9,0.99 eps=1e-8"
    assert parsed(text) == {"decouple": True, "weight_decay": 0.01, "d_coef": 2, "betas": (0.9, 0.99), "eps": 1e-8}


def test_other_ways_of_writing():
    assert parsed("") == {}
    assert parsed("betas=(0.9, 0.99), amsgrad = false\nfoo=none") == {"betas": (0.9, 0.99), "amsgrad": False, "foo": None}
    assert parsed("precision=bf16") == {"precision": "bf16"}
    assert parsed("a=-1,b=[1, 2]") == {"a": -1, "b": [1, 2]}


@pytest.mark.parametrize(
    "text, said", [("betas", "'betas' is not name=value"), ("a=1 a=2", "twice"), ("a=", "no value"), ("x y=1", "'x' is not")]
)
def test_what_cannot_be_read_is_named(text, said):
    _, problems = parse_arguments(text)
    assert any(said in problem for problem in problems)


def problems(optimizer: str, **arguments) -> list[str]:
    return argument_problems(optimizer, optimizers.get(optimizer).load(), arguments)


def test_unknown_arguments_suggest_near_names():
    (problem,) = problems("AdamW", beta=(0.9, 0.99))
    assert "AdamW has no argument 'beta'" in problem and "'betas'" in problem
    (problem,) = problems("Prodigy", d_coeff=2)
    assert "Did you mean 'd_coef'" in problem


def test_types_are_checked():
    assert "betas must be like" in problems("AdamW", betas=0.9)[0]
    assert "betas must be like" in problems("AdamW", betas=(0.9, 0.99, 0.999))[0]
    assert "amsgrad must be like False" in problems("AdamW", amsgrad=1)[0]
    assert "eps must be like" in problems("AdamW", eps="small")[0]
    assert problems("AdamW", betas=[0.9, 0.99], eps=1) == []


def test_widgets_of_their_own_are_reserved():
    assert "set learning_rate" in problems("AdamW", lr=1)[0]
    assert len(problems("AdamW8bit", weight_decay=1, optim_bits=8)) == 2


def test_switches_of_pytorch_optimizer():
    assert problems("Lion", cautious=True) == []
    assert "True or False" in problems("Lion", cautious=3)[0]
    assert problems("AdamW", cautious=True) != []


@pytest.mark.parametrize("text", ["a" * 100_000, "eps=" + "9" * 100_000, "a=" + " ," * 50_000])
def test_a_very_long_text_is_not_read(text):
    arguments, problems = parse_arguments(text)
    assert not arguments
    assert len(problems) == 1 and "but may have 2,000" in problems[0]


def test_half_a_character_is_named():
    assert "half a character behind 'precision='" in parse_arguments("precision=\ud83d")[1][0]


@pytest.mark.parametrize("value", ["[" * 900, "-" * 1900 + "1", "(" * 150 + ")" * 150])
def test_what_python_cannot_read_is_text(value):
    assert isinstance(parse_arguments(f"x={value}")[0]["x"], (str, tuple))

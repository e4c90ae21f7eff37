"""Every other optimizer of pytorch-optimizer that trains a LoRA, by the library's own name, with its settings as a kind.

A test runs each of them: it must follow the learning rate (also to 0), stay finite, and resume bit by bit. Left out are
those that cannot: `REFUSED` says why, for the error message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OTHERS: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(
        (
            "adabelief", "adalite", "adam", "adamax", "adamc", "adamod", "adamp", "adamwsn", "adan", "adanorm", "adapnm",
            "adashift", "adasmooth", "adatam", "ademamix", "adopt", "aida",
            "ano", "bcos", "diffgrad", "dualadam", "exadam", "fadam", "flashadamw", "grams", "grokfastadamw", "lamb",
            "laprop", "nadam", "novograd", "qhadam", "racs", "radam", "ranger", "rose", "scion", "scionlight", "signsgd",
            "simplifiedademamix", "stableadamw", "stablespam", "swats", "tam", "tiger",
        ),
        {},
    ),
    **dict.fromkeys(("adagc", "adai", "adams"), {"one_device": True}),
    **dict.fromkeys(("accsgd", "aggmo", "lars", "pid", "pnm", "qhm", "sgd", "sgdp", "sgdw"), {"usual_rate": 1e-2}),
    **dict.fromkeys(("focus", "fromage", "msvag", "rmsprop", "sgdsai", "yogi"), {"usual_rate": 1e-3}),
    **dict.fromkeys(("avagrad", "padam", "sm3", "vsgd"), {"usual_rate": 1e-2}),
    **dict.fromkeys(("adadelta", "adamg"), {"usual_rate": 1.0}),
    **dict.fromkeys(("adabound", "amos"), {"needs_positive_rate": True}),
    "madgrad": {"usual_rate": 1e-3, "needs_positive_rate": True},
    **dict.fromkeys(("adamuon", "normuon"), {"by_matrix": True}),
    "dadaptadagrad": {"usual_rate": 1.0, "finds_rate": True},
    "mars": {"usual_rate": 1e-3},
    "schedulefreeradam": {"usual_rate": 5e-4, "averages": True},
    "schedulefreesgd": {"usual_rate": 1.0, "averages": True},
    "splus": {"usual_rate": 1e-2, "averages": True},
}  # fmt: skip

_CLOSURE = "it must evaluate the model inside its update"
_MODULE = "it must own the whole model"
_RATE = "it does not follow the learning-rate schedule"
_OBJECT = "its state cannot be saved and resumed"
_SIZE = "it keeps square matrices as wide as the model's layers"
_WEIGHTS = "it is for training whole weight matrices"

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("adahessian", "alig", "bsam", "lbfgs", "sophiah", "emofact", "emolynx", "emonavi"), _CLOSURE),
    **dict.fromkeys(("adalomo", "adammini", "demo", "distributedmuon", "lomo", "lorarite"), _MODULE),
    **dict.fromkeys(("a2grad", "adago", "apollodqn", "asgd", "ftrl", "gravity", "ranger21", "srmm"), _RATE),
    **dict.fromkeys(("conda", "magma", "sara", "scalableshampoo", "spam"), _OBJECT),
    **dict.fromkeys(("alice", "dash", "kron", "shampoo"), _SIZE),
    **dict.fromkeys(("apollo", "fira", "galore", "kate", "muonclip", "nero", "spectralsphere"), _WEIGHTS),
}

"""What the pack says it has been proven on is what the walk of every family found."""

import json

from pack.demo.shipped.make_family_table import FACTS
from pack.tests.comfy import tiny_models
from pack.tests.comfy.tiny_models import TRAINED


def test_proven_is_what_was_trained(comfy):
    from pack.host.advice.known import PROVEN

    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    assert {entry["kind"] for entry in facts["trained"]} == PROVEN


def test_a_class_is_known_by_itself_and_not_by_what_it_derives_from(comfy):
    from pack.host.advice.known import is_proven

    patcher = tiny_models.patcher(comfy, TRAINED[0])
    assert is_proven(patcher)
    config = patcher.model.model_config
    patcher.model.model_config = type("SD15", (type(config),), {})(config.unet_config)
    assert not is_proven(patcher)
    patcher.model.model_config = config
    patcher.model.__class__ = type("BaseModel", (type(patcher.model),), {})
    assert not is_proven(patcher)

import pytest, torch, time
from pack.tests.comfy.replaying import Steps, are_same
from pack.tests.comfy.tiny_models import TRAINED, patcher

@pytest.mark.parametrize("tiny", TRAINED, ids=lambda t: t.name)
def test_it(comfy, tiny):
    from pack.tests.comfy.family_walk import condition
    from pack.host.session import Session
    a=time.process_time()
    p=patcher(comfy,tiny)
    made=[]
    try:
        for replayed in (False,True):
            s=Steps(Session(p,precision="fp32"),tiny.latent,lambda n: condition(tiny, n), checkpointing=True)
            made.append(s.made(replayed=replayed))
        t=f"{tiny.name}: {are_same(*made)} {time.process_time()-a:.1f}s {s.said}"
    except Exception as e:
        import traceback; t=f"{tiny.name}: RAISED {type(e).__name__} {e} {traceback.format_exc()[-600:]}"
    with open("/tmp/graphproto/walk.txt","a") as f: f.write(t+"\n")

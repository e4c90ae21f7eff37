"""What the notes on the workflows say: short enough to be read at a glance; the rest is in the nodes' help.

Every paragraph is a heading: the letters of plain text are too small where a workflow opens. No `code` inside: one of the frontends draws
it dark on dark.
"""


def large(text: str) -> str:
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n\n".join(f"## {paragraph}" for paragraph in paragraphs if paragraph)


_START = """\
1. Choose the model. 2. Name your folder in input. 3. Write a trigger word: prompts say [trigger] for it.
4. Run: the file goes to models/loras.
"""

_MEMORY = "Out of memory: a lower Resolution on Bucket Config."

SD15_NOTE = f"""{_START}
15-40 pictures, captions beside them: dog1.txt for dog1.png.

Copies your pictures? Take an earlier checkpoint. Too weak? More steps.
"""

SDXL_NOTE = f"""{_START}
Copies your pictures? Take an earlier checkpoint.

{_MEMORY}
"""

FLUX_NOTE = f"""{_START}
In fp8; not for commercial use. For schnell set its training adapter as Assistant file on Train LoRA.

{_MEMORY}
"""

Z_IMAGE_NOTE = f"""{_START}
Captions are sentences. The LoRA works on Turbo too (8 steps, cfg 1).

{_MEMORY}
"""

Z_IMAGE_TURBO_NOTE = f"""{_START}
The training adapter (Assistant file) keeps Turbo a turbo while it learns; it is not in your file. Keep runs short.

{_MEMORY}
"""

KLEIN_NOTE = f"""{_START}
Works on the distilled model too (4 steps, cfg 1). The 9B model takes qwen_3_8b; it is not for commercial use.

{_MEMORY}
"""

QWEN_IMAGE_NOTE = f"""{_START}
Captions are sentences. In fp8 it is 20 GB; what does not fit stays in main memory.

{_MEMORY}
"""

KREA2_NOTE = f"""{_START}
Trained on Raw (accept its licence on its page), looked at on Turbo. Needs a ComfyUI that has Krea 2.

{_MEMORY}
"""

ANIMA_NOTE = f"""{_START}
Captions: lower-case Danbooru tags, sentences, or both. Needs a ComfyUI that has Anima.

{_MEMORY}
"""

WAN_NOTE = """\
Two models, two LoRAs: high noise (composition), low noise (likeness). Only a likeness? Bypass (Ctrl+B) *Train LoRA (high)* and
*Save high*.
"""

CAPTION_NOTE = """\
1. Load Dataset: the name of your folder in input.

2. Auto Caption: a *wd-* tagger for anime and drawings; *Florence-2* or *blip* for photos.

3. Press Run. The first time it downloads the captioner (this one: 1.26 GB). A .txt is written beside every picture that has none.

Then read the files and correct them.
"""

RESUME_NOTE = """\
Go on with a run. Resume on Train LoRA (More settings): latest, or a run's name as the panel lists it.

Pictures, network and model must be as they were; steps may be raised and the learning rate changed. It goes on as if it had never stopped.
"""

COMPARE_NOTE = """\
Write your run's name. The best checkpoint is the first that shows your subject.
"""

GRAPH_NOTE = """\
Any IMAGE can be trained on: load, generate, crop or cut out with other nodes.
"""

KINDS_NOTE = """\
How many numbers each kind trains. Nothing is trained here. Start with lora.
"""

START_NOTE = """\
Start From LoRA: choose a file; its rank is taken over, the file stays as it is.
"""

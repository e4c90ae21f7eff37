"""What the notes on the workflows say."""

_START = """\
1. **Load Dataset**: put 15-40 pictures into a folder inside ComfyUI's `input` folder and write its name here. Captions go beside
   the pictures: `dog1.txt` for `dog1.png`.
2. **Sample Preview**: write prompts with the word that your captions use.
3. Press **Run**. Cancel keeps what was learned; `resume` = `latest` goes on.

The LoRA is written to `models/loras`, everything else (checkpoints, samples, log) to `output/lora_canvas`.
"""

_END = """
**Overcooked** (it copies your pictures): take an earlier checkpoint, or fewer steps. **Too weak**: more steps, or check that your prompt
holds the trigger word.
"""

SD15_NOTE = f"""## Train a LoRA on SD1.5

{_START}
**Out of memory**: gradient checkpointing is on already; lower `resolution` on Bucket Config to 448 or 384.
{_END}"""

SDXL_NOTE = f"""## Train a LoRA on SDXL

{_START}
**Out of memory**: lower `resolution` on Bucket Config to 768, choose `AdamW8bit` on Optimizer, rank 8. On 8 GB close other programs;
what does not fit of the model stays in main memory, which is slower but works.
{_END}"""

FLUX_NOTE = f"""## Train a LoRA on FLUX.1 dev

The model is loaded in fp8 (`weight_dtype`), which halves its memory; the LoRA itself is trained in full precision. Training uses
guidance 1.0, pictures are made with 3.5 (FluxGuidance). FLUX.1 dev may not be used commercially.

{_START}
**Out of memory**: `resolution` 768 or 512 on Bucket Config, `AdamW8bit` on Optimizer. **schnell**: apply its training adapter with a
LoraLoaderModelOnly in front of Train LoRA; it stays applied while training and is not part of your LoRA.
{_END}"""

CAPTION_NOTE = """## Caption a folder

1. **Load Dataset**: the folder's name inside ComfyUI's `input` folder.
2. **Auto Caption**: a WD14 tagger for anime and drawings, a caption model for photos. The first time it downloads the model.
3. **Caption Preview** shows the final texts, with shuffling and dropout as they will be trained.

Edit the `.txt` files by hand afterwards: a few minutes here are worth more than a thousand steps.
"""

RESUME_NOTE = """## Go on with a run

`resume` = `latest`, or a run's name as the panel lists it. Pictures, network and model must be as they were; steps may be raised and
the learning rate changed. It goes on bit by bit as if it had never stopped.
"""

COMPARE_NOTE = """## Which checkpoint is best?

Write the run's name on **LoRA Test**. Each row is a prompt with a checkpoint, the first column is without the LoRA. Take the earliest
checkpoint that shows your subject and still follows prompts that your pictures do not show. Then copy it from
`output/lora_canvas/<run>/checkpoints`, or pick it in LoraLoader.
"""

GRAPH_NOTE = """## Train on pictures that the graph makes

Any IMAGE can be trained on: load, generate, upscale, crop or cut out with other nodes, then **Images To Dataset**. Captions come from
text nodes, one a picture, or are added by Auto Caption.
"""

KINDS_NOTE = """## How large is which kind?

The same layers with five kinds of adapter, and how many numbers each trains. Nothing is trained here: it takes a second. Start with
**lora**; **lokr** makes the smallest files; **oft** turns weights instead of adding to them; **ia3** only scales; \
a **dylora** can be cut to
lower ranks afterwards. Wire the one you like into Train LoRA.
"""

START_NOTE = """## Go on from a LoRA

1. **Start From LoRA**: choose a file of any format that ComfyUI loads; its rank is taken over. The file itself stays as it is, the result
   is a new one.
2. Pictures come here from ComfyUI's own nodes, already encoded (Import Core Dataset). Load Dataset works just as well.
"""

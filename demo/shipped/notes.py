"""What the notes on the workflows say."""

_START = """\
1. **Load Dataset**: put 15-40 pictures into a folder inside ComfyUI's `input` folder and write its name here. Captions go beside
   the pictures: `dog1.txt` for `dog1.png`.
2. **Sample Preview**: write prompts with the word that your captions use.
3. Press **Run**. Pause and Cancel keep what was learned: Run goes on.

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
**Out of memory**: `resolution` 768 or 512 on Bucket Config, `AdamW8bit` on Optimizer. **schnell**: choose its training adapter as
`assistant_name` on Train LoRA; it stays under your LoRA while training and is not part of it.
{_END}"""

Z_IMAGE_NOTE = f"""## Train a LoRA on Z-Image

The base model learns better than Turbo, and what is trained on it works on Turbo too: look at it there with a LoraLoader, 8 steps, cfg 1.
Captions are sentences. Samples: 25 steps, cfg 4.

{_START}
**Out of memory**: `resolution` 768 or 512 on Bucket Config, `AdamW8bit` on Optimizer, `weight_dtype` fp8_e4m3fn on the loader.
{_END}"""

Z_IMAGE_TURBO_NOTE = f"""## Train a LoRA on Z-Image Turbo

A turbo model that is trained as it is unlearns to be one. So its **training adapter** (`assistant_name` on Train LoRA) lies under your
LoRA while it learns: it is not part of your file, and previews and the picture on the right are made without it, with 8 steps and cfg 1,
as you will use it. Keep runs short (2000 steps); for longer ones train on Z-Image itself.

{_START}
**Out of memory**: `resolution` 768 or 512 on Bucket Config, `AdamW8bit` on Optimizer, `weight_dtype` fp8_e4m3fn on the loader.
{_END}"""

KLEIN_NOTE = f"""## Train a LoRA on FLUX.2 Klein

Train on the **base** model (4B here; the 9B one takes `qwen_3_8b` as its text encoder), not on the distilled one: the LoRA works on both.
Samples: 20 steps, cfg 5 on the base; 4 steps, cfg 1 on the distilled model. The 4B models may be used freely, the 9B ones may not be used
commercially.

{_START}
**Out of memory**: `resolution` 768 or 512 on Bucket Config, `AdamW8bit` on Optimizer, `weight_dtype` fp8_e4m3fn on the loader.
{_END}"""

QWEN_IMAGE_NOTE = f"""## Train a LoRA on Qwen-Image

A model of 20 billion weights: in fp8 it is 20 GB, and what does not fit stays in main memory. It learns fast: 5e-5 is enough. Captions are
sentences. Samples: 50 steps, cfg 4; with a Lightning LoRA behind Train LoRA 4 or 8 steps, cfg 1.

{_START}
**Out of memory**: `resolution` 768 or 512 on Bucket Config, `AdamW8bit` on Optimizer, rank 8.
{_END}"""

KREA2_NOTE = f"""## Train a LoRA on Krea 2

Train on **Raw**, look at it on **Turbo**: that is how its makers mean it, and how this workflow is wired. Previews while training come
from Raw (28 steps, cfg 5.5), the picture on the right from Turbo (8 steps, cfg 1). Raw is 26 GB; to load it you accept its licence on its
page first. Needs a ComfyUI that has Krea 2.

{_START}
**Out of memory**: `resolution` 768 or 512 on Bucket Config, `AdamW8bit` on Optimizer; `targets` = attention on LoRA Network.
{_END}"""

ANIMA_NOTE = f"""## Train a LoRA on Anima

Anime and drawings, 2 billion weights: 8 GB are enough. Captions are Danbooru tags, sentences, or both; tags in lower case with spaces.
Samples: 30 steps, cfg 4. Needs a ComfyUI that has Anima.

{_START}
**Out of memory**: `resolution` 768 or 512 on Bucket Config, `AdamW8bit` on Optimizer.
{_END}"""

WAN_NOTE = f"""## Train a LoRA on Wan 2.2, with pictures

Wan 2.2 is two models: one begins from noise (motion, composition), one ends (likeness, detail). Each gets a LoRA of its own, trained on the
noise that it sees: above 875 the high one, below it the low one. They run one after the other.

**Only a likeness or a style?** The low noise LoRA is often enough: bypass *Train LoRA (high noise)* and its *Save LoRA* (Ctrl+B), and the
untrained high noise model begins the picture. `my_lora_low_noise` goes on the low noise model only, the other one on the high.

The picture on the right is one frame. The files work in videos too.

{_START}
**Out of memory**: `resolution` 768 or 512 on Bucket Config, `AdamW8bit` on Optimizer, rank 16.
{_END}"""

CAPTION_NOTE = """## Caption a folder

1. **Load Dataset**: the folder's name inside ComfyUI's `input` folder.
2. **Auto Caption**: a WD14 tagger for anime and drawings, a caption model for photos. The first time it downloads the model.
3. **Caption Preview** shows the final texts, with shuffling and dropout as they will be trained.

Edit the `.txt` files by hand afterwards: a few minutes here are worth more than a thousand steps.
"""

RESUME_NOTE = """## Go on with a run

`resume` = `latest`, or a run's name as the panel lists it. Pictures, network and model must be as they were; steps may be raised and
the learning rate changed. It goes on as if it had never stopped.
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

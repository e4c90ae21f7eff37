"""Run a workflow without a browser and without a server, in this process:

    python headless.py WORKFLOW.json [--set "Train LoRA.steps"=2000 ...] [--comfyui PATH] [-- options of ComfyUI]

WORKFLOW.json is what the canvas saves or exports (API format). --set changes a widget: the node's title, class or number, and the
widget's name. Ctrl-C (SIGINT, SIGTERM) ends the training after its step with everything saved; a second one cancels at once.
The exit code is 0 when the whole workflow was run, 1 when a node failed, 2 when it cannot be run as it is (the last line says why),
130 when it was stopped; of several processes under a launcher 0, since launchers take all else for a failure.
"""

import os
import sys

PACK = os.path.dirname(os.path.abspath(__file__))
# The pack's `nodes` would be taken for ComfyUI's, here and in every process that is started with this path.
sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry or os.curdir) != os.path.realpath(PACK)]

import argparse  # noqa: E402
import importlib  # noqa: E402
import importlib.util  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

ANY_NODE = "LoRACanvasTrainLoRA"
CANNOT_RUN = 2


def main(arguments: list[str]) -> int:
    """The exit code."""
    own, theirs = _parted(arguments)
    parser = argparse.ArgumentParser(prog="headless.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workflow", type=Path, help="a workflow file, as saved by the canvas or in API format")
    parser.add_argument("--set", dest="changes", nargs="+", action="extend", default=[], metavar="NODE.WIDGET=VALUE",
                        help='a value instead of the file\'s, like "Train LoRA.steps"=2000')
    parser.add_argument("--comfyui", type=Path, metavar="PATH", help="ComfyUI's folder (default: the one that this pack lies in)")
    asked = parser.parse_args(own)
    if not asked.workflow.is_file():
        return _refused(f"there is no file {asked.workflow}")
    comfyui = asked.comfyui or _around()
    if comfyui is None or not (comfyui / "main.py").is_file():
        return _refused(f"there is no ComfyUI (no main.py) in {comfyui or Path(PACK).parents[1]}: name its folder with --comfyui")
    with tempfile.TemporaryDirectory(prefix="lora_canvas_") as scratch:
        start(comfyui.resolve(), scratch, theirs)
        return importlib.import_module(f"{_pack()}.host.headless.run").run(asked.workflow, asked.changes)


def start(comfyui: Path, scratch: str, options: list[str]) -> None:
    """ComfyUI as its own main.py starts it, with all its custom nodes, up to where it would listen: there its option for tests ends it.
    A ComfyUI that runs beside this one keeps its temporary files and its database."""
    ours = ["--quick-test-for-ci", "--disable-auto-launch", "--temp-directory", scratch, "--database-url", "sqlite:///:memory:"]
    sys.argv = [str(comfyui / "main.py"), *ours, *_own_card(options), *options]
    sys.path.insert(0, str(comfyui))
    spec = importlib.util.spec_from_file_location("__main__", comfyui / "main.py")
    assert spec is not None and spec.loader is not None
    try:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    except SystemExit as end:
        if end.code:
            raise


def _own_card(options: list[str]) -> list[str]:
    """Of several processes on one machine each takes the card of its number."""
    number = os.environ.get("LOCAL_RANK")
    chosen = {"--cpu", "--cuda-device", "--default-device", "--directml", "--oneapi-device-selector"} & set(options)
    return [] if number is None or chosen else ["--cuda-device", number]


def _pack() -> str:
    """The name that ComfyUI has imported this pack under, loaded where it has not."""
    nodes, server = importlib.import_module("nodes"), importlib.import_module("server").PromptServer.instance
    known = nodes.NODE_CLASS_MAPPINGS
    if ANY_NODE not in known:
        server.loop.run_until_complete(nodes.load_custom_node(PACK, set(known), module_parent="custom_nodes"))
    if ANY_NODE not in known:
        sys.exit(_refused("LoRA Canvas could not be loaded; ComfyUI's log above says why"))
    name = known[ANY_NODE].__module__.rpartition(".nodes.")[0]
    loaded = os.path.dirname(str(sys.modules[name].__file__))
    if os.path.realpath(loaded) != os.path.realpath(PACK):
        sys.exit(_refused(f"this ComfyUI has another copy of LoRA Canvas, in {loaded}: run the headless.py that lies there"))
    return name


def _parted(arguments: list[str]) -> tuple[list[str], list[str]]:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]


def _around() -> Path | None:
    """The ComfyUI whose custom_nodes this file lies in, as it was called or where links lead."""
    folders = (Path(PACK).parents[1], Path(PACK).resolve().parents[1])
    return next((folder for folder in folders if (folder / "main.py").is_file()), None)


def _refused(why: str) -> int:
    print(f"headless.py: {why}", file=sys.stderr)
    return CANNOT_RUN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

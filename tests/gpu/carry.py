"""Collect what a machine lacks that has Python 3.12, PyTorch for CUDA 13 and no network: `make gpu-carry`. Some 40 MiB.

    python tests/gpu/carry.py OLDER_COMFYUI NEWER_COMFYUI FOLDER [--kohya CHECKOUT]

There: python3 FOLDER/run.py --carry FOLDER --out RESULTS
"""

from __future__ import annotations

import argparse
import lzma
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMFYUI = ("comfy", "comfy_api", "comfy_api_nodes/__init__.py", "comfy_config", "comfy_execution", "comfy_extras", "utils", "app",
           "middleware", "nodes.py", "node_helpers.py", "folder_paths.py", "latent_preview.py", "execution.py", "protocol.py",
           "comfyui_version.py", "cuda_malloc.py")
PACK = ("__init__.py", "host", "nodes", "training", "tests", "demo", "benchmarks")
HEAVY = ("__pycache__", "llama_tokenizer", "gemma", "qwen")
HEAVY_ENDINGS = (".png", ".jpg", ".webp", ".so", ".dll", ".pyc")
WHEELS = ("bitsandbytes", "pytorch-optimizer", "lycoris-lora", "toml", "torchsde", "trampoline", "spandrel", "simpleeval", "imagehash",
          "typing-extensions", "google-re2", "accelerate")
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17", "manylinux_2_12", "manylinux_2_5", "manylinux2014",
             "manylinux2010", "manylinux1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("older", "newer", "into"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--kohya", type=Path, help="a checkout of sd-scripts")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    for name in ("older", "newer"):
        _pack(options.into / f"{name}.tar.xz", getattr(options, name), COMFYUI)
    tracked = subprocess.run(["git", "ls-files", *PACK], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    pictures = [name for name in tracked if name.startswith("demo/pictures/")]
    _pack(options.into / "pack.tar.xz", ROOT, [name for name in tracked if not name.endswith(HEAVY_ENDINGS)] + pictures, all_of_it=True)
    if options.kohya:
        _pack(options.into / "kohya.tar.xz", options.kohya, ("library", "networks"))
    _wheels(options.into / "site.tar.xz", options.newer)
    shutil.copy(ROOT / "tests" / "gpu" / "run.py", options.into)
    shutil.copy(ROOT / "tests" / "gpu" / "table.py", options.into)
    for file in sorted(options.into.iterdir()):
        print(f"{file.stat().st_size / 2**20:8.2f} MiB  {file.name}")


def _pack(archive: Path, root: Path, names, *, all_of_it: bool = False) -> None:
    def kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        folders = [part for part in Path(entry.name).parts if part.endswith(("tokenizer", "__"))]
        is_heavy = entry.name.endswith(HEAVY_ENDINGS) or any(folder.startswith(HEAVY) for folder in folders)
        return None if is_heavy and not all_of_it else entry

    with lzma.open(archive, "wb", preset=1) as stream, tarfile.open(fileobj=stream, mode="w|") as file:
        for name in names:
            if (root / name).exists():
                file.add(root / name, arcname=name, filter=kept)


def _wheels(archive: Path, comfyui: Path) -> None:
    """Unpacked, for Python 3.12; of bitsandbytes only its library for CUDA 13."""
    wanted = [line.strip() for line in (comfyui / "requirements.txt").read_text(encoding="utf-8").splitlines()
              if line.startswith(("comfy-kitchen==", "comfy-aimdo=="))]
    platforms = [word for platform in PLATFORMS for word in ("--platform", f"{platform}_x86_64")]
    with tempfile.TemporaryDirectory() as folder:
        wheels, site = Path(folder) / "wheels", Path(folder) / "site"
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--python-version", "3.12",
                   "--implementation", "cp", *platforms, "-d", str(wheels), *WHEELS, *wanted]
        subprocess.run(command, check=True)
        for wheel in wheels.iterdir():
            with zipfile.ZipFile(wheel) as file:
                file.extractall(site)
        for library in site.rglob("*.so"):
            if library.name.startswith("libbitsandbytes_") and not any(word in library.name for word in ("cuda130", "cpu")):
                library.unlink()
            elif "hip" in library.parts or library.parent.name == "hip":
                library.unlink()
        _pack(archive, site, sorted(path.name for path in site.iterdir()), all_of_it=True)


if __name__ == "__main__":
    main()

"""kill -9 at many moments, in the middle of writing files too: what lies on disk always resumes, to the same file."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from pack.tests.training.run.test_resume import CASES, ground

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")

SPEC = {"save_every_n_steps": 2, "validate_every_n_steps": 5, "keep_last": 2}

#: Dies at the n-th file operation: 'begun' with the temporary file half written, 'written' before it is renamed, 'renamed' after.
SCRIPT = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import conftest  # registers `pack`
    from pack.tests.training.run.test_kills import SPEC
    from pack.tests.training.run.test_resume import CASES, ground
    import pack.training.files.atomic as atomic
    import pack.training.files.tensors as tensor_file

    left = [{count}]
    def die_if_due():
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    rename, pieces = atomic.rename, tensor_file.pieces
    def dying_rename(source, target):
        if {moment!r} == "written": die_if_due()
        rename(source, target)
        if {moment!r} == "renamed": die_if_due()
    def dying_pieces(*given, **options):
        header, *rest = pieces(*given, **options)
        yield header[:10]
        if {moment!r} == "begun": die_if_due()
        yield header[10:]
        yield from rest
    atomic.rename, tensor_file.pieces = dying_rename, dying_pieces
    bench = ground(Path({folder!r}), CASES["AdamW"], **SPEC)
    state = bench.folder / "state" / "training.state"
    bench.run(state if state.is_file() else None)
    """
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    bench = ground(tmp_path_factory.mktemp("whole"), CASES["AdamW"], **SPEC)
    bench.run()
    return bench.file()


@pytest.mark.parametrize("moment", ["begun", "written", "renamed"])
@pytest.mark.parametrize("count", [1, 9, 16])
def test_killed_while_writing(tmp_path, repo_root, whole, moment, count):
    script = SCRIPT.format(tests=str(repo_root / "tests"), folder=str(tmp_path), moment=moment, count=count)
    killed = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    resumed = ground(tmp_path, CASES["AdamW"], **SPEC)
    state = resumed.folder / "state" / "training.state"
    goes_on = state.is_file()
    resumed.run(state if goes_on else None)
    assert resumed.file() == whole
    assert not (goes_on and list(resumed.folder.rglob("*.part"))), "half files outlive the run that goes on"
    assert not [path for path in resumed.folder.rglob("*") if path.suffix in (".safetensors", ".state") and path.stat().st_size < 100]

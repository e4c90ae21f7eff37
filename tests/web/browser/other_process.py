"""A run of the engine in a process of its own, of tiny models, slowly: `other_process.py RUNS NAME`."""

import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import conftest  # noqa: F401  registers `pack`

from pack.tests.training.run.fakes import Bench
from pack.training.events import StepDone
from pack.training.files.lock import holder_of
from pack.training.record.log import JsonlLog
from pack.training.record.requests import Inbox
from pack.training.record.run_json import RunJson
from pack.training.record.taken import LOCK_NAME, new_folder
from pack.training.specs import RunSpec


def main(runs: Path, name: str) -> None:
    with new_folder(runs, name) as folder:
        listeners = [JsonlLog(folder), RunJson(folder)]

        def on_event(event):
            for listener in listeners:
                listener(event)
            if isinstance(event, StepDone):
                time.sleep(0.05)

        bench = Bench(folder=folder, run_spec=RunSpec(steps=20_000, gradient_checkpointing=False), on_event=on_event)
        bench.control.listen(Inbox(folder, holder_of(folder / LOCK_NAME).token).take, on_event)
        bench.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

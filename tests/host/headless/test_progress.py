"""The demo's screen in a log file: nodes, phases, the mean loss, messages; a bar for each phase."""

import io

from pack.host.headless.progress import Bar, Display


def run_record(*records):
    return "lora_canvas.run", {"run": "r", "node": "7", "records": list(records)}


def step(number, loss):
    return {"event": "step", "step": number, "total_steps": 2, "loss": loss}


def shown(*events) -> list[str]:
    out = io.StringIO()
    display = Display({"1": "Load Checkpoint", "7": "Train LoRA"}, out)
    for name, data in events:
        display(name, data)
    display.close()
    return out.getvalue().splitlines()


def test_a_run_from_start_to_end():
    lines = shown(
        ("executing", {"node": "1"}),
        ("executing", {"node": "7"}),
        run_record({"event": "progress", "phase": "latents", "done": 3, "total": 3}),
        run_record(step(1, 0.5), step(2, 0.25)),
        run_record({"event": "message", "level": "warning", "text": "too small"}),
        run_record({"event": "ended"}),
        ("executing", {"node": None}),
    )
    assert lines[:2] == ["  Load Checkpoint", "  Train LoRA"]
    assert "Encoding pictures" in lines[2] and "3/3" in lines[2]
    assert "Training" in lines[3] and "2/2" in lines[3] and "loss 0.375" in lines[3]
    assert lines[4:] == ["    warning: too small"]


def test_core_progress_of_the_training_node_is_not_shown_twice():
    progress = ("progress", {"node": "7", "value": 1, "max": 1})
    before = [
        ("executing", {"node": "7"}),
        run_record({"event": "progress", "phase": "latents", "done": 1, "total": 1}),
    ]
    assert len(shown(*before, progress)) == len(shown(*before))
    assert any(
        "Working" in line
        for line in shown(("executing", {"node": "1"}), ("progress", {"node": "1", "value": 2, "max": 2}))
    )


def test_a_log_gets_few_lines(monkeypatch):
    out, clock = io.StringIO(), iter(float(second) for second in range(100))
    monkeypatch.setattr("pack.host.headless.progress.time.monotonic", lambda: next(clock))
    bar = Bar("Training", 50, out)
    for done in range(1, 51):
        bar.show(done)
    lines = out.getvalue().splitlines()
    assert len(lines) == 5
    assert "10/50" in lines[0] and "<00:40" in lines[0]

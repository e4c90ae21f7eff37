// The page's knowledge of all runs: loading, live records, reloads, a server that was away.
import assert from "node:assert/strict";
import { test } from "node:test";
import { statusOf } from "../../web/run_header.mjs";
import { Session } from "../../web/session.mjs";

const step = (number) => ({
  event: "step", step: number, total_steps: 100, epoch: 0, loss: 1, lr: { diffusion_model: 1 }, grad_norm: 1, items: 1, seconds: 1,
  memory: null, peak_memory: null,
});
const started = (start_step = 0) => ({ event: "started", run: "r", start_step, total_steps: 100, steps_per_epoch: 10 });
const ended = (reason) => ({ event: "ended", reason, step: 3, total_steps: 100, lora: null, seconds: 1, error: null });

/** A server of three lines: what lies on disk, and what trains. */
function fakeServer({ disk = {}, live = [] } = {}) {
  const calls = [];
  const need = (name) => {
    if (!disk[name]) throw new Error(`no run ${name}`);
    return disk[name];
  };
  return {
    disk,
    liveRuns: live,
    calls,
    live: async () => ({ runs: live.map((run) => ({ run, node: "1", latest: {} })), device: { name: "cpu", total_memory: 1000 } }),
    runs: async () => Object.entries(disk).map(([name, run]) => ({ name, status: run.status, live: live.includes(name) })),
    run: async (name) => ({ name, status: need(name).status, live: live.includes(name) }),
    log: async (name, after = 0) => {
      calls.push([name, after]);
      return need(name).log.filter((record) => !after || (record.step ?? 0) > after);
    },
  };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

test("a page that opens in the middle of a run shows it whole", async () => {
  const server = fakeServer({ disk: { old: { status: "finished", log: [] }, r: { status: "running", log: [started(), step(1), step(2)] } }, live: ["r"] });
  const session = new Session(server);
  await session.refresh();
  assert.equal(session.shown, "r");
  session.receive({ run: "r", node: "1", records: [step(3)] });
  assert.deepEqual(session.get("r").columns.step, [1, 2, 3]);
});

test("records that come while the log is being read are not lost", async () => {
  const server = fakeServer({ disk: { r: { status: "running", log: [started(), step(1)] } }, live: ["r"] });
  const session = new Session(server);
  const loading = session.refresh();
  session.receive({ run: "r", node: "1", records: [step(2)] });
  session.receive({ run: "r", node: "1", records: [step(3)] });
  await loading;
  await settle();
  assert.deepEqual(session.get("r").columns.step, [1, 2, 3]);
});

test("a run that another tab or the API queued appears by itself", async () => {
  const server = fakeServer({ disk: { old: { status: "finished", log: [] } } });
  const session = new Session(server);
  await session.refresh();
  assert.equal(session.shown, "old");
  server.disk.r = { status: "running", log: [] };
  server.liveRuns.push("r");
  session.receive({ run: "r", node: "7", records: [{ event: "message", level: "info", topic: "t", text: "first", step: null }] });
  session.receive({ run: "r", node: "7", records: [{ event: "progress", phase: "latents", done: 1, total: 2 }, started()] });
  await settle();
  assert.equal(session.shown, "r");
  assert.equal(session.live.get("r").node, "7");
  assert.equal(session.get("r").messages.length, 1);
});

test("a run without a folder yet is shown from what it says", async () => {
  const session = new Session(fakeServer());
  await session.refresh();
  session.receive({ run: "r", node: "1", records: [{ event: "progress", phase: "latents", done: 1, total: 2 }] });
  await settle();
  assert.equal(session.get("r").phase.phase, "latents");
});

test("a run that begins is shown; what the user picks while it trains stays", async () => {
  const session = new Session(fakeServer({ disk: { old: { status: "finished", log: [started(), step(1)] } } }));
  await session.refresh();
  await session.show("old");
  session.receive({ run: "r", node: "1", records: [started(), step(1)] });
  assert.equal(session.shown, "r");
  await session.show("old");
  session.receive({ run: "r", node: "1", records: [step(2)] });
  await session.refresh();
  assert.equal(session.shown, "old");
});

test("what a run was asked to do is known to a page that opens later, until it has ended", async () => {
  const server = fakeServer({ disk: { r: { status: "running", log: [started(), step(1)] } }, live: ["r"] });
  server.live = async () => ({ runs: [{ run: "r", node: "1", latest: { asked: { event: "asked", action: "pause" } } }], device: null });
  const session = new Session(server);
  await session.refresh();
  assert.equal(statusOf(session.get("r")), "pausing");
  session.receive({ run: "r", node: "1", records: [ended("paused")] });
  assert.equal(statusOf(session.get("r")), "paused");
});

test("a gap is read again from where the curve ends", async () => {
  const server = fakeServer({ disk: { r: { status: "running", log: [started(), step(1)] } }, live: ["r"] });
  const session = new Session(server);
  await session.refresh();
  server.disk.r.log.push(step(2), step(3), step(4));
  session.receive({ run: "r", node: "1", records: [step(4)] });
  await settle();
  assert.deepEqual(session.get("r").columns.step.at(-1), 4);
  assert.equal(server.calls.length >= 2, true);
});

test("the end of a run is told, and a message after it does not bring it back", async () => {
  const server = fakeServer({ disk: { r: { status: "running", log: [started()] } }, live: ["r"] });
  const session = new Session(server);
  await session.refresh();
  server.disk.r.status = "paused";
  server.liveRuns.length = 0;
  session.receive({ run: "r", node: "1", records: [step(1), step(2), step(3), ended("paused")] });
  session.receive({ run: "r", node: "1", records: [{ event: "message", level: "info", topic: "saved", text: "x", step: 3 }] });
  await settle();
  assert.equal(session.live.size, 0);
  assert.equal(session.get("r").status, "paused");
  assert.equal(session.get("r").messages.length, 1);
});

test("a server that was restarted leaves an interrupted run", async () => {
  const server = fakeServer({ disk: { r: { status: "running", log: [started(), step(1)] } }, live: ["r"] });
  const session = new Session(server);
  await session.refresh();
  server.liveRuns.length = 0;
  server.disk.r.status = "interrupted";
  await session.refresh();
  assert.equal(session.live.size, 0);
  assert.equal(session.get("r").status, "interrupted");
});

test("nothing is asked of the server while nothing happens", async () => {
  const server = fakeServer({ disk: { r: { status: "finished", log: [started()] } } });
  const session = new Session(server);
  await session.refresh();
  await settle();
  assert.deepEqual(server.calls, []);
});

const elsewhere = (by = "process 7 on 'box'") => ({ run: "far", node: "", records: [{ event: "elsewhere", by }], elsewhere: by });
const far = (records) => ({ run: "far", node: "", records, elsewhere: "process 7 on 'box'" });

test("a run of another process appears, is marked, and pushes nothing aside that is watched", async () => {
  const server = fakeServer({ disk: { r: { status: "running", log: [started(), step(1)] }, far: { status: "running", log: [started(), step(1)] } }, live: ["r"] });
  const session = new Session(server);
  await session.refresh();
  session.receive(elsewhere());
  await settle();
  session.receive(far([step(2)]));
  assert.equal(session.shown, "r");
  assert.equal(session.live.get("far").elsewhere, "process 7 on 'box'");
  assert.deepEqual(session.get("far").columns.step, [1, 2]);
  assert.equal(session.live.get("r").elsewhere, null);
});

test("with nothing to watch a run of another process is shown, from its first sign on", async () => {
  const server = fakeServer({ disk: { far: { status: "running", log: [] } } });
  const session = new Session(server);
  session.receive(elsewhere());
  await settle();
  assert.equal(session.shown, "far");
  assert.equal(statusOf(session.get("far")), "preparing");
});

test("when it goes on from an earlier step its log is read anew", async () => {
  const server = fakeServer({ disk: { far: { status: "running", log: [started(), step(1), step(2), step(3)] } } });
  const session = new Session(server);
  session.receive(elsewhere());
  await settle();
  server.disk.far.log = [started(), step(1), started(1), step(2)];
  session.receive(elsewhere());
  await settle();
  assert.deepEqual(session.get("far").columns.step, [1, 2]);
});

test("another process that ended without a last word is interrupted", async () => {
  const server = fakeServer({ disk: { far: { status: "running", log: [started(), step(1)] } } });
  const session = new Session(server);
  session.receive(elsewhere());
  await settle();
  server.disk.far.status = "interrupted";
  session.receive({ run: "far", node: "", records: [{ event: "gone" }], elsewhere: null });
  await settle();
  assert.equal(session.live.size, 0);
  assert.equal(session.get("far").status, "interrupted");
});

test("a wish that nobody takes is told until it is taken", async () => {
  const server = fakeServer({ disk: { far: { status: "running", log: [started(), step(1)] } } });
  const session = new Session(server);
  session.receive(elsewhere());
  await settle();
  const run = session.get("far");
  session.receive(far([{ event: "asked", action: "pause" }]));
  assert.equal(statusOf(run), "pausing");
  session.receive(far([{ event: "unanswered", action: "pause", seconds: 60 }]));
  assert.deepEqual(run.unanswered, { action: "pause", seconds: 60 });
  session.receive(far([{ event: "answered", action: "pause" }]));
  assert.equal(run.unanswered, null);
});

test("a page that opens later knows of the wish and of who trains", async () => {
  const server = fakeServer({ disk: { far: { status: "running", log: [started(), step(1)] } } });
  const unanswered = { event: "unanswered", action: "save", seconds: 60 };
  server.live = async () => ({ runs: [{ run: "far", node: "", latest: { unanswered }, elsewhere: "process 7 on 'box'" }], device: { name: "cpu", total_memory: 1 } });
  const session = new Session(server);
  await session.refresh();
  assert.equal(session.shown, "far");
  assert.deepEqual(session.get("far").unanswered, { action: "save", seconds: 60 });
  assert.equal(session.live.get("far").elsewhere, "process 7 on 'box'");
});

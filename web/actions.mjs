// @ts-check
/** What the panel's buttons do: commands to the run, its workflow on the canvas, training that goes on. */
import { makeRunActions } from "./after/run_actions.mjs";
import { t } from "./strings.mjs";

/**
 * @param {any} app ComfyUI's app
 * @param {import("./session.mjs").Session} session
 * @param {import("./server.mjs").Server} server
 */
export function makeActions(app, session, server) {
  function toast(/** @type {"info"|"error"} */ severity, /** @type {string} */ summary, /** @type {string} */ detail,
    life = severity === "error" ? 8000 : 4000) {
    const toasts = app.extensionManager.toast;
    // Newer frontends have a function for each severity and call `add` deprecated; older ones have only that.
    if (toasts[severity]) toasts[severity](summary, { description: detail, duration: life });
    else toasts.add({ severity, summary, detail, life });
  }

  /** Whatever goes wrong is told. @param {() => Promise<void>} work */
  async function trying(work) {
    try {
      await work();
    } catch (error) {
      toast("error", t("failed"), /** @type {any} */ (error)?.message ?? String(error));
      session.refresh().catch(() => {});
    }
  }

  /** @param {"info"|"error"} severity @param {string} text */
  const tell = (severity, text) => toast(severity, severity === "error" ? t("failed") : t("title"), text);

  return {
    tell,

    after: makeRunActions(app, session, server, { trying, tell }),

    /** A run whose graph was queued again unchanged. @param {import("./again.mjs").Made} made */
    tellAgain: ({ run, step }) => toast("info", t("againTitle"), t("again", { run, step }), 15000),

    /** @param {string} name @param {string} action @param {number} [value] */
    command: (name, action, value) =>
      trying(async () => {
        await server.control(name, action, value);
        toast("info", t("title"), t("requested", { what: t(action === "learning_rate" ? "rateScale" : action) + (value ?? "") }));
      }),

    /** @param {string} name */
    openWorkflow: (name) =>
      trying(async () => {
        const { workflow } = await server.graph(name);
        if (!workflow) throw new Error(t("noWorkflow"));
        await app.loadGraphData(workflow, true, true, name);
      }),

    /**
     * Queue again exactly what made the run, with `resume` on its Train LoRA node set to the run: the canvas may have
     * changed since, or show something else.
     * @param {string} name
     */
    resume: (name) =>
      trying(async () => {
        const { prompt, workflow, node } = await server.graph(name);
        const inputs = prompt?.[node]?.inputs ?? {};
        // A node that expands into others is no Train LoRA, though it shows one's run.
        if (!("resume" in inputs)) throw new Error(t("noPrompt"));
        inputs.resume = name;
        await server.queue(prompt, workflow);
        toast("info", t("title"), t("requested", { what: t("resume") }));
      }),
  };
}

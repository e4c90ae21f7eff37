// @ts-check
/** What the panel's buttons do: commands to the run, its workflow on the canvas, training that goes on. */
import { t } from "./strings.mjs";

/**
 * @param {any} app ComfyUI's app
 * @param {import("./session.mjs").Session} session
 * @param {import("./server.mjs").Server} server
 */
export function makeActions(app, session, server) {
  const toast = (/** @type {string} */ severity, /** @type {string} */ summary, /** @type {string} */ detail) =>
    app.extensionManager.toast.add({ severity, summary, detail, life: severity === "error" ? 8000 : 4000 });

  /** Whatever goes wrong is told. @param {() => Promise<void>} work */
  async function trying(work) {
    try {
      await work();
    } catch (error) {
      toast("error", t("failed"), /** @type {any} */ (error)?.message ?? String(error));
      session.refresh().catch(() => {});
    }
  }

  return {
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
        if (!prompt?.[node]) throw new Error(t("noPrompt"));
        prompt[node].inputs.resume = name;
        await server.queue(prompt, workflow);
        toast("info", t("title"), t("requested", { what: t("resume") }));
      }),
  };
}

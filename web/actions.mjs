// @ts-check
/** What the panel's buttons do: commands to the run, its workflow on the canvas, training that goes on. */
import { t } from "./strings.mjs";

const TRAIN_NODE = "LoRACanvasTrainLoRA";

/** Every node of the graph and of its subgraphs. @param {any} graph @returns {any[]} */
function allNodes(graph) {
  const nodes = graph?._nodes ?? graph?.nodes ?? [];
  return nodes.flatMap((/** @type {any} */ node) => [node, ...(node.subgraph ? allNodes(node.subgraph) : [])]);
}

const widget = (/** @type {any} */ node, /** @type {string} */ name) => node.widgets?.find((/** @type {any} */ one) => one.name === name);

/**
 * @param {any} app ComfyUI's app
 * @param {import("./session.mjs").Session} session
 * @param {import("./server.mjs").Server} server
 */
export function makeActions(app, session, server) {
  const toast = (/** @type {string} */ severity, /** @type {string} */ summary, /** @type {string} */ detail) =>
    app.extensionManager.toast.add({ severity, summary, detail, life: severity === "error" ? 8000 : 4000 });
  const failed = (/** @type {any} */ error) => toast("error", t("failed"), error?.message ?? String(error));

  /** The Train LoRA node that made the run: the one with its name, or the only one there is. @param {any} settings */
  function trainNode(/** @type {string} */ name, settings) {
    const nodes = allNodes(app.rootGraph ?? app.graph).filter((node) => node.comfyClass === TRAIN_NODE);
    const wanted = settings?.run_name ?? name;
    return nodes.find((node) => widget(node, "run_name")?.value === wanted) ?? null;
  }

  async function openWorkflow(/** @type {string} */ name) {
    const workflow = await server.workflow(name);
    await app.loadGraphData(workflow, true, true, name);
  }

  return {
    /** @param {string} name @param {string} action @param {number} [value] */
    async command(name, action, value) {
      try {
        await server.control(name, action, value);
        toast("info", t("title"), t("requested", { what: t(action === "learning_rate" ? "rateScale" : action) + (value ?? "") }));
      } catch (error) {
        failed(error);
        session.refresh().catch(() => {});
      }
    },

    /** @param {string} name */
    openWorkflow: (name) => openWorkflow(name).catch(failed),

    /**
     * Queue the run's own node again with `resume` set to the run; the widget gets its old value back.
     * @param {string} name
     */
    async resume(name) {
      try {
        const { settings } = await server.run(name);
        if (!trainNode(name, settings)) await openWorkflow(name);
        const node = trainNode(name, settings);
        const resume = node && widget(node, "resume");
        if (!resume) return void toast("warn", t("resume"), t("noNode"));
        const before = resume.value;
        resume.value = name;
        try {
          await app.queuePrompt(0);
        } finally {
          resume.value = before;
        }
      } catch (error) {
        failed(error);
      }
    },
  };
}

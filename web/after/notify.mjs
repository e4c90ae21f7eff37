// @ts-check
/** Tells that a run has ended, where the user asked for that: a notification of the system, and, where that is not allowed or the tab is not
 * looked at, the tab's title until it is. */
import * as format from "../format.mjs";
import { prefer, preferences } from "../preferences.mjs";
import { statusText, t } from "../strings.mjs";

/** @typedef {{run: string, reason: string, step: number, total_steps: number, seconds: number|null}} Ended */

/** The words for it. @param {Ended} ended */
export function wordsOf({ run, reason, step, total_steps: total, seconds }) {
  const steps = total >= step ? `${format.count(step)} / ${format.count(total)}` : format.count(step);
  const took = seconds ? `  ·  ${t("took", { time: format.duration(seconds) })}` : "";
  return { title: `${run}: ${statusText(reason)}`, body: `${t("steps", { count: steps })}${took}` };
}

/** @param {any} page the window, or what a test puts in its place */
export function makeNotifier(page = globalThis) {
  const { document } = page;
  /** @type {{real: string, marked: string, observer: any}|null} */
  let mark = null;

  function looked() {
    if (!mark || document.hidden) return;
    mark.observer?.disconnect();
    document.title = mark.real;
    mark = null;
  }

  /** ComfyUI writes the title when a prompt ends: what it writes is kept for later. @param {string} text */
  function markTitle(text) {
    if (!document.hidden && document.hasFocus()) return;
    const real = mark?.real ?? document.title;
    mark?.observer?.disconnect();
    const marked = `${text} – ${real}`;
    document.title = marked;
    const observer = page.MutationObserver && new page.MutationObserver(() => {
      if (!mark || document.title === mark.marked) return;
      mark.real = document.title;
      document.title = mark.marked;
    });
    observer?.observe(document.querySelector("title"), { childList: true, characterData: true, subtree: true });
    mark = { real, marked, observer };
  }

  page.addEventListener("focus", looked);
  document.addEventListener("visibilitychange", looked);

  return {
    get on() {
      return preferences().notify;
    },
    /** Turns it on or off; "title" where the browser allows no notifications. @param {boolean} on @returns {Promise<"off"|"on"|"title">} */
    async set(on) {
      prefer({ notify: on });
      if (!on) return "off";
      const allowed = page.Notification ? await page.Notification.requestPermission() : "denied";
      return allowed === "granted" ? "on" : "title";
    },
    /** @param {Ended} ended */
    ended(ended) {
      if (!preferences().notify) return;
      const { title, body } = wordsOf(ended);
      markTitle(title);
      if (page.Notification?.permission !== "granted") return;
      try {
        const shown = new page.Notification(title, { body, tag: `lora-canvas ${ended.run}` });
        shown.onclick = () => page.focus();
      } catch {
        // Browsers of phones have the class, and no notifications by it.
      }
    },
  };
}

// @ts-check
/** The pictures as tiles, of which only those that are seen are in the page, however many there are. */
import { h, icon, oncePerFrame, setShown, setText } from "../dom.mjs";
import { t } from "../strings.mjs";
import { cropBox, fitted } from "./crop.mjs";
import { warningText } from "./warnings.mjs";

/** The least width of a tile, which grows to fill the row. */
export const TILE = { width: 196, height: 262, gap: 8 };
const EDGE = 18;
const PICTURE_HEIGHT = 150;
/** Rows beyond those that are seen, above and below; and the most tiles there ever are. */
const BEYOND = 1;
const MOST = 200;

/** Which tiles are seen, and how wide each is. @param {number} count @param {number} width @param {number} height @param {number} top */
export function visible(count, width, height, top) {
  const columns = Math.max(1, Math.floor((width + TILE.gap) / (TILE.width + TILE.gap)));
  const pitch = TILE.height + TILE.gap;
  const first = Math.max(0, Math.floor(top / pitch) - BEYOND) * columns;
  const rows = Math.ceil(height / pitch) + 1 + 2 * BEYOND;
  return { columns, pitch, first, wide: Math.floor((width + TILE.gap) / columns) - TILE.gap, end: Math.min(count, first + Math.min(rows * columns, MOST)), height: Math.ceil(count / columns) * pitch };
}

/** @param {{album: import("./album.mjs").Album, routes: import("./routes.mjs").Routes, show: (index: number) => void}} context */
export function makeGrid({ album, routes, show }) {
  /** @type {Map<number, ReturnType<typeof makeTile>>} */
  const tiles = new Map();
  /** @type {number[]} */
  let shown = [];
  let current = -1;
  let last = -1;
  const sheet = h("div.ds-sheet");
  const none = h("p.muted.ds-none", { hidden: true }, t("dsNone"));
  const element = h("div.ds-grid", { tabIndex: 0, "aria-label": t("dsPictures") }, none, sheet);

  function makeTile(/** @type {number} */ index) {
    const image = h("img", { alt: "", decoding: "async", draggable: false });
    const crop = h("div.ds-crop");
    const frame = h("div.ds-frame", {}, image, crop);
    const check = h("input", { type: "checkbox", "aria-label": t("dsChoose") });
    const facts = h("span.ds-facts");
    const warned = h("span.ds-warned", {}, icon("exclamation-triangle"));
    const text = h("textarea.ds-caption", { spellcheck: false, placeholder: t("dsNoCaption"), "aria-label": t("dsCaption") });
    const tile = h("div.ds-tile", { style: { height: `${TILE.height}px` } },
      h("div.ds-picture", {}, frame), h("div.ds-line", {}, check, facts, warned), text);
    check.onclick = (/** @type {MouseEvent} */ event) => {
      const [from, to] = [shown.indexOf(last), shown.indexOf(index)];
      const range = event.shiftKey && from >= 0 ? shown.slice(Math.min(from, to), Math.max(from, to) + 1) : [index];
      last = index;
      album.choose(range, check.checked);
    };
    text.oninput = () => album.type(index, text.value);
    text.onblur = () => void album.save(index).then(() => album.rested());
    text.onfocus = () => show(index);
    frame.onclick = () => show(index);
    let drawn = "";
    function draw(/** @type {number} */ wide) {
      const row = album.rows[index];
      const typed = album.textOf(index);
      if (text.value !== typed) text.value = typed;
      const version = JSON.stringify([album.key, row, album.chosen.has(index), index === current, album.conflicts.has(index), wide, album.suggestions.has(index)]);
      if (version === drawn) return;
      drawn = version;
      tile.style.width = `${wide}px`;
      Object.assign(frame.style, fitted(row.size, { width: wide - EDGE, height: PICTURE_HEIGHT }));
      Object.assign(crop.style, cropBox(row.crop));
      const source = routes.pictureUrl(album.key, index, row.version, "small");
      if (image.getAttribute("src") !== source) image.src = source;
      check.checked = album.chosen.has(index);
      setText(facts, `${row.bucket.join(" × ")}${row.repeats > 1 ? `  ·  ${row.repeats}×` : ""}`);
      const told = row.warnings.map(warningText);
      setShown(warned, told.length > 0);
      warned.title = told.join("\n");
      frame.title = [row.name, `${row.size.join(" × ")} → ${row.bucket.join(" × ")}`, row.left_out ? t("dsIsLeftOut") : ""].filter(Boolean).join("\n");
      tile.dataset.left = String(row.left_out);
      tile.dataset.current = String(index === current);
      tile.dataset.suggested = String(album.suggestions.has(index));
      tile.dataset.conflict = String(album.conflicts.has(index));
      text.placeholder = row.words ? t("dsClassWords", { words: row.words }) : t("dsNoCaption");
    }
    return { element: tile, draw, release: () => image.removeAttribute("src") };
  }

  function draw() {
    const { columns, pitch, first, end, height, wide } = visible(shown.length, element.clientWidth - 12, element.clientHeight, element.scrollTop);
    sheet.style.height = `${height}px`;
    const wanted = new Set(shown.slice(first, end));
    for (const [index, tile] of tiles) {
      if (wanted.has(index)) continue;
      tile.release(); // what is not seen any more need not be loaded
      tile.element.remove();
      tiles.delete(index);
    }
    for (let place = first; place < end; place++) {
      const index = shown[place];
      let tile = tiles.get(index);
      if (!tile) {
        tile = makeTile(index);
        tiles.set(index, tile);
        sheet.append(tile.element);
      }
      const [left, top] = [(place % columns) * (wide + TILE.gap), Math.floor(place / columns) * pitch];
      tile.element.style.transform = `translate(${left}px, ${top}px)`;
      tile.draw(wide);
    }
    setShown(none, !shown.length);
  }

  const redraw = oncePerFrame(draw);
  element.addEventListener("scroll", redraw, { passive: true });
  const watch = new ResizeObserver(redraw);
  watch.observe(element);

  return {
    element,
    redraw,
    /** @param {number[]} indices */
    list(indices) {
      shown = indices;
      redraw();
    },
    /** @param {number} index @param {boolean} [scroll] */
    mark(index, scroll = false) {
      current = index;
      const place = shown.indexOf(index);
      if (scroll && place >= 0) {
        const { columns, pitch } = visible(shown.length, element.clientWidth - 12, element.clientHeight, 0);
        const top = Math.floor(place / columns) * pitch;
        if (top < element.scrollTop || top + pitch > element.scrollTop + element.clientHeight) element.scrollTop = top;
      }
      redraw();
    },
    close() {
      redraw.cancel();
      watch.disconnect();
    },
  };
}

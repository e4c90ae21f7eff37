// @ts-check
/** Numbers as people read them. Pure. */

const DASH = "\u2013";

/** A loss: four significant digits. @param {number|null|undefined} value */
export function loss(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  if (value === 0) return "0";
  return Math.abs(value) < 0.001 || Math.abs(value) >= 10000 ? value.toExponential(2) : trim(value.toPrecision(4));
}

/** A learning rate: 1e-4, 8.9e-5. @param {number|null|undefined} value */
export function rate(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  if (value === 0) return "0";
  if (Math.abs(value) >= 0.01) return trim(value.toPrecision(3));
  return value.toExponential(2).replace(/\.?0+e/, "e");
}

/** "0.1200" without its useless zeros, at least one digit after the point kept. */
function trim(/** @type {string} */ text) {
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, ".0") : text;
}

/** 75 -> "1:15", 4000 -> "1:06:40", 200000 -> "2 d 7 h". @param {number|null|undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return DASH;
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  const tail = `${pad(whole % 60)}`;
  return hours ? `${hours}:${pad(minutes)}:${tail}` : `${minutes}:${tail}`;
}

function pad(/** @type {number} */ value) {
  return String(value).padStart(2, "0");
}

/** Bytes as GiB or MiB, the way graphics cards are sold. @param {number|null|undefined} bytes */
export function memory(bytes) {
  if (bytes === null || bytes === undefined) return DASH;
  const gib = bytes / 2 ** 30;
  return gib >= 1 ? `${gib.toFixed(1)} GB` : `${Math.round(bytes / 2 ** 20)} MB`;
}

/** What files take: KB below a MB. @param {number} bytes */
export const size = (bytes) => (bytes < 2 ** 20 ? `${Math.ceil(bytes / 2 ** 10)} KB` : memory(bytes));

/** Images a second; below one, seconds an image. @param {number|null|undefined} perSecond */
export function imagesPerSecond(perSecond) {
  if (!perSecond || !Number.isFinite(perSecond)) return DASH;
  return perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(perSecond >= 1 ? 1 : 2);
}

/** 12345 -> "12,345" in the reader's own way. @param {number} value */
export function count(value) {
  return value.toLocaleString();
}

/** When a run was touched: the time today, else the date. @param {number} unixSeconds */
export function when(unixSeconds, now = new Date()) {
  if (!unixSeconds) return "";
  const date = new Date(unixSeconds * 1000);
  if (date.toDateString() === now.toDateString()) return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const sameYear = date.getFullYear() === now.getFullYear();
  return date.toLocaleDateString([], sameYear ? { month: "short", day: "numeric" } : { year: "numeric", month: "short", day: "numeric" });
}

/** A tick of an axis: short, never "0.30000000000000004". @param {number} value */
export function axis(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 0.0001 || size >= 100000) return value.toExponential(1).replace(".0e", "e");
  return String(Number(value.toPrecision(6)));
}

// @ts-check
/** Numbers for charts: smoothing, aligning, and ranges that single spikes do not set. Pure. */

/**
 * Exponential moving average divided by its own weight sum, so it does not start at 0. Nulls are skipped.
 * @param {(number|null)[]} values @param {number} weight 0 (raw) to below 1
 */
export function smooth(values, weight) {
  const result = new Array(values.length);
  let total = 0;
  let mass = 0;
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value !== null) {
      total = weight * total + (1 - weight) * value;
      mass = weight * mass + (1 - weight);
    }
    result[index] = mass ? total / mass : null;
  }
  return result;
}

/**
 * One x axis for curves with their own: the union of the steps, nulls where a curve has no point.
 * @param {{x: number[], ys: (number|null)[][]}[]} tables each with sorted x
 * @returns {(number|null)[][]} [x, ...ys of every table]
 */
export function align(tables) {
  const xs = tables.reduce((/** @type {number[]} */ all, table) => union(all, table.x), []);
  const columns = tables.flatMap((table) => (table.x.length === xs.length ? table.ys : spread(table, xs)));
  return [xs, ...columns];
}

/** Both sorted lists as one; the longer itself when it holds the other. @param {number[]} a @param {number[]} b */
function union(a, b) {
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  const missing = short.filter((x) => !holds(long, x));
  if (!missing.length) return long;
  const merged = [];
  let next = 0;
  for (const x of long) {
    while (next < missing.length && missing[next] < x) merged.push(missing[next++]);
    merged.push(x);
  }
  return merged.concat(missing.slice(next));
}

/** Where `x` is, or would be, in a sorted list. @param {number[]} list @param {number} x */
function place(list, x) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

const holds = (/** @type {number[]} */ list, /** @type {number} */ x) => list[place(list, x)] === x;

/** The columns of a table on a longer axis. @param {{x: number[], ys: (number|null)[][]}} table @param {number[]} xs */
function spread(table, xs) {
  const places = table.x.map((x) => place(xs, x));
  return table.ys.map((ys) => {
    const column = blank(xs.length);
    places.forEach((at, index) => { column[at] = ys[index]; });
    return column;
  });
}

/** @returns {(number|null)[]} */
function blank(/** @type {number} */ length) {
  return new Array(length).fill(null);
}

/** At most this many values of the first curve are looked at for a range. */
const SAMPLE = 4000;

/**
 * Lowest value and a top that the highest hundredth of the first curve does not set, over the indices [from, to].
 * @param {(number|null|undefined)[][]} columns curves whose every value should be seen stand after the first
 * @param {number} from @param {number} to
 * @returns {[number, number]|null}
 */
export function robustRange(columns, from, to) {
  const ranges = columns.map((column, order) => (order ? extent(column, from, to) : mostOf(column, from, to))).filter((range) => range !== null);
  if (!ranges.length) return null;
  return [Math.min(...ranges.map((range) => range[0])), Math.max(...ranges.map((range) => range[1]))];
}

/** @param {(number|null|undefined)[]} column @param {number} from @param {number} to @returns {[number, number]|null} */
function extent(column, from, to) {
  let low = Infinity;
  let high = -Infinity;
  for (let index = from; index <= to; index++) {
    const value = column[index];
    if (value === null || value === undefined) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

/** @param {(number|null|undefined)[]} column @param {number} from @param {number} to @returns {[number, number]|null} */
function mostOf(column, from, to) {
  const stride = Math.max(1, Math.ceil((to - from + 1) / SAMPLE));
  const seen = [];
  for (let index = from; index <= to; index += stride) {
    const value = column[index];
    if (value !== null && value !== undefined) seen.push(value);
  }
  if (!seen.length) return null;
  seen.sort((a, b) => a - b);
  return [seen[0], seen[Math.floor((seen.length - 1) * 0.99)]];
}

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
  const filled = tables.filter((table) => table.x.length);
  if (filled.length === 1) return [filled[0].x, ...tables.flatMap((table) => (table.x.length ? table.ys : table.ys.map(() => blank(filled[0].x.length))))];
  const xs = [...new Set(filled.flatMap((table) => table.x))].sort((a, b) => a - b);
  const at = new Map(xs.map((x, index) => [x, index]));
  const columns = tables.flatMap((table) =>
    table.ys.map((ys) => {
      const column = blank(xs.length);
      table.x.forEach((x, index) => { column[/** @type {number} */ (at.get(x))] = ys[index]; });
      return column;
    }),
  );
  return [xs, ...columns];
}

/** @returns {(number|null)[]} */
function blank(/** @type {number} */ length) {
  return new Array(length).fill(null);
}

/** At most this many values are looked at for a range. */
const SAMPLE = 4000;

/**
 * Lowest value and a top that the highest hundredth does not set, over the window [from, to] of indices.
 * @param {(number|null|undefined)[][]} columns curves whose every value should be seen stand after the first
 * @param {number} from @param {number} to
 * @returns {[number, number]|null}
 */
export function robustRange(columns, from, to) {
  const stride = Math.max(1, Math.ceil((to - from + 1) / SAMPLE));
  let low = Infinity;
  let high = -Infinity;
  columns.forEach((column, order) => {
    const seen = [];
    for (let index = from; index <= to; index += order ? 1 : stride) {
      const value = column[index];
      if (value !== null && value !== undefined) seen.push(value);
    }
    if (!seen.length) return;
    seen.sort((a, b) => a - b);
    low = Math.min(low, seen[0]);
    high = Math.max(high, order ? seen[seen.length - 1] : seen[Math.floor((seen.length - 1) * 0.99)]);
  });
  return low <= high ? [low, high] : null;
}

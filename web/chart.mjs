// @ts-check
/** A line chart that fits its host: uPlot with the panel's looks, a y range that spikes do not set, a log scale. */
import { robustRange } from "./curve.mjs";
import * as format from "./format.mjs";
import uPlot from "./vendor/uPlot.mjs";

export const COLOURS = { raw: "rgba(116, 185, 255, 0.42)", rawDense: "rgba(116, 185, 255, 0.2)", smoothed: "#74b9ff", validation: "#f2a65a" };
/** One colour a run or learning-rate group. */
export const PALETTE = ["#74b9ff", "#f2a65a", "#7bd389", "#e07a9b", "#b39ddb", "#4dd0c4", "#e6d25a", "#b0b8c4"];

/** More points a pixel than this paint a solid slab. */
const DENSE = 3;

/**
 * @typedef {{label: string, colour: string, dense?: string, width?: number, points?: boolean, sparse?: boolean, dash?: number[]}} Series
 * `dense` is the colour where many points fall on one pixel.
 * `sparse` curves have a value at few steps only: their points are joined over the gaps and all of them fit the range.
 */

/** How crowded the visible part is. @param {any} plot */
function pointsPerPixel(plot) {
  const [from, to] = plot.series[0].idxs ?? [0, 0];
  return (to - from) / Math.max(plot.over.clientWidth, 1);
}

export class Chart {
  /** @type {any} */
  #plot = null;
  /** @type {any[]} */
  #data = [[]];
  #log = false;
  #zoomed = false;
  #observer;

  /**
   * @param {HTMLElement} host
   * @param {Series[]} series
   * @param {{onCursor?: (index: number|null) => void, onZoom?: (zoomed: boolean) => void, syncKey?: string, value?: (v: number) => string}} [options]
   */
  constructor(host, series, options = {}) {
    this.host = host;
    this.series = series;
    this.options = options;
    this.#observer = new ResizeObserver(() => this.#fit());
    this.#observer.observe(host);
  }

  /** @param {any[]} data [steps, ...one column a series] */
  setData(data) {
    this.#data = data;
    if (!this.#plot) this.#build();
    else if (this.#zoomed) {
      const { min, max } = this.#plot.scales.x;
      this.#plot.batch(() => {
        this.#plot.setData(data, false);
        this.#plot.setScale("x", { min, max });
      });
    } else this.#plot.setData(data);
  }

  get data() {
    return this.#data;
  }

  /** @param {boolean} log */
  setLog(log) {
    if (log === this.#log) return;
    this.#log = log;
    this.#build();
  }

  /** @param {number} index of the series @param {boolean} show */
  setShown(index, show) {
    this.#plot?.setSeries(index + 1, { show });
  }

  resetZoom() {
    this.#setZoomed(false);
    this.#plot?.setData(this.#data);
  }

  destroy() {
    this.#observer.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!width || !height) return;
    if (!this.#plot) this.#build();
    else if (this.#plot.width !== width || this.#plot.height !== height) this.#plot.setSize({ width, height });
  }

  #setZoomed(/** @type {boolean} */ zoomed) {
    this.#zoomed = zoomed;
    this.options.onZoom?.(zoomed);
  }

  #build() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!width || !height || this.#data.length < 2) return;
    const shown = this.#plot?.series.map((/** @type {any} */ one) => one.show);
    this.#plot?.destroy();
    this.#plot = new (/** @type {any} */ (uPlot))(this.#options(width, height), this.#data, this.host);
    shown?.forEach((/** @type {boolean} */ show, /** @type {number} */ index) => index && !show && this.#plot.setSeries(index, { show }));
  }

  #options(/** @type {number} */ width, /** @type {number} */ height) {
    const style = getComputedStyle(this.host);
    const text = style.getPropertyValue("--lora-canvas-muted").trim() || "#999";
    const grid = style.getPropertyValue("--lora-canvas-grid").trim() || "rgba(128,128,128,0.15)";
    const axis = { stroke: text, font: "11px system-ui, sans-serif", grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    const value = this.options.value ?? format.axis;
    return {
      width,
      height,
      padding: [8, 24, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        points: { size: 7 },
        drag: { x: true, y: false, setScale: true },
        ...(this.options.syncKey ? { sync: { key: this.options.syncKey, scales: ["x", null] } } : {}),
      },
      scales: {
        x: { time: false, range: (/** @type {any} */ _, /** @type {number} */ min, /** @type {number} */ max) => (max > min ? [min, max] : [min - 1, min + 1]) },
        y: { distr: this.#log ? 3 : 1, range: (/** @type {any} */ plot) => this.#range(plot) },
      },
      axes: [
        { ...axis, size: 26, gap: 4, space: 60, values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map((tick) => (Number.isInteger(tick) ? format.count(tick) : "")) },
        { ...axis, size: 52, gap: 6, space: 34, values: (/** @type {any} */ _, /** @type {(number|null)[]} */ ticks) => ticks.map((tick) => (tick === null ? "" : value(tick))) },
      ],
      series: [{}, ...this.series.map((one) => this.#series(one))],
      hooks: {
        setCursor: [(/** @type {any} */ plot) => this.options.onCursor?.(plot.cursor.idx ?? null)],
        setSelect: [(/** @type {any} */ plot) => plot.select.width > 0 && this.#setZoomed(true)],
        ready: [(/** @type {any} */ plot) => plot.over.addEventListener("dblclick", () => this.#setZoomed(false))],
      },
    };
  }

  #series(/** @type {Series} */ one) {
    return {
      label: one.label,
      stroke: one.dense ? (/** @type {any} */ plot) => (pointsPerPixel(plot) > DENSE ? one.dense : one.colour) : one.colour,
      width: one.width ?? 1.5,
      dash: one.dash,
      spanGaps: one.sparse ?? false,
      points: one.points ? { show: true, size: 6, fill: one.colour, width: 0 } : { show: false },
    };
  }

  /** @returns {[number, number]} */
  #range(/** @type {any} */ plot) {
    const visible = plot.data.slice(1).filter((/** @type {any} */ _, /** @type {number} */ index) => plot.series[index + 1].show);
    const [from, to] = plot.series[0].idxs ?? [0, plot.data[0].length - 1];
    const range = visible.length ? robustRange(visible, from ?? 0, to ?? -1) : null;
    if (!range) return [0, 1];
    const [low, high] = range;
    if (this.#log) return [Math.max(low, 1e-12) / 1.1, Math.max(high, 1e-12) * 1.1];
    const margin = (high - low) * 0.06 || Math.abs(high) * 0.05 || 0.5;
    return [low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin];
  }
}

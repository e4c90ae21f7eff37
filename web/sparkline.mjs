// @ts-check
/** A curve the size of a thumb, drawn on a plain canvas: a node has no room for axes. */
import { smooth } from "./curve.mjs";

/** Points drawn at most: more than the canvas is wide. */
const POINTS = 400;

/** Means of neighbours, at most `most` of them. @param {(number|null)[]} values @param {number} most */
export function condense(values, most) {
  const size = Math.ceil(values.length / most) || 1;
  const result = [];
  for (let start = 0; start < values.length; start += size) {
    const part = values.slice(start, start + size).filter((value) => value !== null);
    if (part.length) result.push(part.reduce((sum, value) => sum + value, 0) / part.length);
  }
  return result;
}

/** @param {HTMLCanvasElement} canvas @param {(number|null)[]} losses @param {string} colour */
export function drawSparkline(canvas, losses, colour) {
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (!width || !height) return;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.clearRect(0, 0, width, height);
  const line = /** @type {number[]} */ (smooth(condense(losses, POINTS), losses.length > 40 ? 0.85 : 0.5));
  if (line.length < 2) return;
  const low = Math.min(...line);
  const span = Math.max(...line) - low || 1;
  const inset = 2 * scale;
  const x = (/** @type {number} */ index) => inset + (index / (line.length - 1)) * (width - 2 * inset);
  const y = (/** @type {number} */ value) => height - inset - ((value - low) / span) * (height - 2 * inset);
  pen.beginPath();
  line.forEach((value, index) => pen.lineTo(x(index), y(value)));
  pen.lineWidth = 1.5 * scale;
  pen.lineJoin = "round";
  pen.strokeStyle = colour;
  pen.stroke();
  pen.lineTo(x(line.length - 1), height);
  pen.lineTo(x(0), height);
  pen.globalAlpha = 0.12;
  pen.fillStyle = colour;
  pen.fill();
  pen.globalAlpha = 1;
}

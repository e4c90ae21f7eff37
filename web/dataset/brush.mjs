// @ts-check
/** Strokes of a brush on a canvas that is opaque where nothing is trained. What was painted is kept as strokes, so that each can be undone. */

/** The longest side of a mask: more shows nothing, and costs memory. */
export const MOST = 2048;

/** @typedef {{kind: "out"|"in", size: number, points: [number, number][]} | {kind: "invert"|"clear"}} Stroke */

/** @param {number[]} size of the picture @returns {[number, number]} of its mask */
export function maskSize([width, height]) {
  const scale = Math.min(1, MOST / Math.max(width, height));
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}

/** @param {HTMLCanvasElement} canvas */
export function makeBrush(canvas) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  /** @type {Stroke[]} */
  const strokes = [];
  /** @type {CanvasImageSource|null} */
  let base = null;

  function draw(/** @type {Stroke} */ stroke, from = 0) {
    if (stroke.kind === "clear") return pen.clearRect(0, 0, canvas.width, canvas.height);
    if (stroke.kind === "invert") {
      pen.globalCompositeOperation = "source-out"; // opaque where it was not
      pen.fillStyle = "#f00";
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.globalCompositeOperation = "source-over";
      return;
    }
    pen.globalCompositeOperation = stroke.kind === "out" ? "source-over" : "destination-out";
    Object.assign(pen, { strokeStyle: "#f00", lineWidth: stroke.size, lineCap: "round", lineJoin: "round" });
    pen.beginPath();
    const points = stroke.points.slice(Math.max(0, from - 1));
    pen.moveTo(...points[0]);
    for (const point of points.length > 1 ? points.slice(1) : points) pen.lineTo(...point);
    pen.stroke();
    pen.globalCompositeOperation = "source-over";
  }

  function again() {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (base) pen.drawImage(base, 0, 0, canvas.width, canvas.height);
    for (const stroke of strokes) draw(stroke);
  }

  return {
    get count() {
      return strokes.length;
    },
    /** A mask that is there already: black is not trained. @param {CanvasImageSource} image */
    start(image) {
      const under = document.createElement("canvas");
      [under.width, under.height] = [canvas.width, canvas.height];
      const context = /** @type {CanvasRenderingContext2D} */ (under.getContext("2d"));
      context.drawImage(image, 0, 0, under.width, under.height);
      const pixels = context.getImageData(0, 0, under.width, under.height);
      for (let at = 0; at < pixels.data.length; at += 4) pixels.data.set([255, 0, 0, 255 - pixels.data[at]], at);
      context.putImageData(pixels, 0, 0);
      base = under;
      again();
    },
    /** @param {Stroke} stroke */
    add(stroke) {
      strokes.push(stroke);
      draw(stroke);
    },
    /** The last stroke goes on. @param {[number, number]} point */
    go(point) {
      const stroke = strokes.at(-1);
      if (!stroke || !("points" in stroke)) return;
      stroke.points.push(point);
      draw(stroke, stroke.points.length - 1);
    },
    undo() {
      strokes.pop();
      again();
    },
    /** White is trained, black is not. @returns {string} base64 of a PNG */
    png() {
      const out = document.createElement("canvas");
      [out.width, out.height] = [canvas.width, canvas.height];
      const context = /** @type {CanvasRenderingContext2D} */ (out.getContext("2d"));
      context.drawImage(canvas, 0, 0);
      context.globalCompositeOperation = "source-in";
      context.fillRect(0, 0, out.width, out.height);
      context.globalCompositeOperation = "destination-over";
      context.fillStyle = "#fff";
      context.fillRect(0, 0, out.width, out.height);
      return out.toDataURL("image/png").split(",")[1];
    },
  };
}

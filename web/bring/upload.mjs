// @ts-check
/** Sends files one after the other, a few at once, says how far it is, and can be stopped. */

const AT_ONCE = 3;

/** @typedef {{path: string, file: {size: number}}} Sent */
/** @typedef {{files: number, bytes: number}} Progress */

/**
 * How many were sent; fewer than all when it was stopped. The first failure ends it, with what was sent until then in the error's `sent`.
 * @param {Sent[]} files @param {(file: Sent, moved: (bytes: number) => void, signal: AbortSignal) => Promise<void>} send one of them
 * @param {(progress: Progress) => void} tell @param {AbortSignal} signal @returns {Promise<number>}
 */
export async function upload(files, send, tell, signal) {
  /** @type {Map<Sent, number>} bytes of those on the way */
  const moving = new Map();
  const done = { files: 0, bytes: 0 };
  const failing = new AbortController();
  const stop = () => failing.abort();
  signal.addEventListener("abort", stop);
  let next = 0;
  /** @type {any} */
  let failure = null;
  const say = () => tell({ files: done.files, bytes: done.bytes + [...moving.values()].reduce((sum, bytes) => sum + bytes, 0) });

  async function worker() {
    while (next < files.length && !failing.signal.aborted) {
      const file = files[next++];
      try {
        await send(file, (bytes) => {
          moving.set(file, Math.min(bytes, file.file.size));
          say();
        }, failing.signal);
        done.files += 1;
        done.bytes += file.file.size;
      } catch (error) {
        if (!failing.signal.aborted) failure = error;
        stop();
      } finally {
        moving.delete(file);
        say();
      }
    }
  }
  if (signal.aborted) stop();
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  signal.removeEventListener("abort", stop);
  if (failure) throw Object.assign(failure, { sent: done.files });
  return done.files;
}

/** One file by a request that tells how far it is, which fetch does not. @param {string} url @param {Blob} body
 * @param {(bytes: number) => void} moved @param {AbortSignal} signal @returns {Promise<void>} */
export function sendFile(url, body, moved, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    request.open("POST", url);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => moved(event.loaded);
    request.onload = () => {
      if (request.status < 300) return resolve();
      let reason = `${request.status} ${request.statusText}`;
      try {
        reason = JSON.parse(request.responseText).error ?? reason;
      } catch {
        // Not an answer of ours.
      }
      reject(new Error(reason));
    };
    request.onerror = () => reject(new Error("the connection broke"));
    request.onabort = () => reject(new Error("stopped"));
    request.onloadend = () => signal.removeEventListener("abort", stop);
    signal.addEventListener("abort", stop);
    request.send(body);
  });
}

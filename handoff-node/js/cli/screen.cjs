"use strict";
// What people see: colours where they help, a bar on a terminal, plain lines elsewhere.

/** Colours on a terminal, unless NO_COLOR is set; FORCE_COLOR sets them anyway. */
function painter(stream, env = process.env) {
  const on = env.NO_COLOR ? false : env.FORCE_COLOR ? env.FORCE_COLOR !== "0" : stream.isTTY === true && env.TERM !== "dumb";
  const paint = (code) => (text) => (on ? `\u001b[${code}m${text}\u001b[0m` : String(text));
  return { bold: paint(1), dim: paint(2), red: paint(31), green: paint(32), yellow: paint(33), cyan: paint(36) };
}

/** A path or message of somebody's, which must not move the cursor or forge a line. */
const safe = (text) =>
  String(text).replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u061c]/g, (c) => {
    const code = c.codePointAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });

/** As in `1.5 MiB`. */
function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** As in `3 files`. */
const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** One line that is written over, on a terminal only; elsewhere nothing. */
class Bar {
  #stream;
  #shown = false;

  constructor(stream) {
    this.#stream = stream;
  }

  /** A callback for `onProgress`. */
  get update() {
    if (this.#stream.isTTY !== true) return undefined;
    return ({ phase, done, total, bytes: size, path }) => {
      const width = Math.max(20, (this.#stream.columns ?? 80) - 1);
      const part = total > 0 ? Math.min(1, done / total) : 0;
      const cells = 20;
      const filled = Math.round(part * cells);
      const bar = total > 0 ? `${"█".repeat(filled)}${"░".repeat(cells - filled)} ${done}/${total}` : `${done}`;
      const size_ = size > 0 ? ` ${bytes(size)}` : "";
      const line = `${phase.padEnd(6)} ${bar}${size_} ${path ? safe(path) : ""}`;
      this.#stream.write(`\r\u001b[2K${[...line].slice(0, width).join("")}`);
      this.#shown = true;
    };
  }

  clear() {
    if (this.#shown) this.#stream.write("\r\u001b[2K");
    this.#shown = false;
  }
}

module.exports = { Bar, bytes, painter, plural, safe };

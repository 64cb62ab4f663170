"use strict";
// Arguments and answers as JSON with places for what JSON has no word for: handles, implementers, bytes.

const { fileURLToPath } = require("node:url");
const { invalid } = require("./errors.cjs");
const { DEEPEST, tooDeep, wellFormed } = require("./value.cjs");

/** Classes over a handle have this method; it gives the handle, or a promise of it, for an argument of this name. */
const HANDLE = Symbol("handoff handle");
/** Stands for an implementer among arguments. */
class Implementer {
  constructor(dispatch) {
    this.dispatch = dispatch;
  }
}

/**
 * A request for `op`. Every handle among the arguments is awaited first, because some are still being made.
 * `body` is bytes too many for JSON. `answer`: it is a host's answer, which nobody could correct: text that is none gets
 * the replacement character instead of an error.
 */
async function encode(op, args, body, { answer = false } = {}) {
  const text = (value, name) => (answer ? value.toWellFormed() : wellFormed(value, name));
  const handles = [];
  const foreign = [];
  const walk = async (value, name, depth) => {
    if (depth > DEEPEST) throw tooDeep(name);
    switch (typeof value) {
      case "string":
        return text(value, name);
      case "boolean":
        return value;
      case "number":
        if (Number.isFinite(value)) return value;
        throw invalid(name, `is ${value}; pass a finite number`);
      case "bigint":
        if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) return Number(value);
        throw invalid(name, "is too large a number");
      case "undefined":
        return undefined;
      case "object":
        break;
      default:
        throw invalid(name, `is a ${typeof value}, which cannot be passed on`);
    }
    if (value === null) return null;
    if (typeof value[HANDLE] === "function") {
      const handle = await value[HANDLE](name);
      handles.push(handle);
      return { $handle: handles.length - 1 };
    }
    if (value instanceof Implementer) {
      foreign.push(value.dispatch);
      return { $foreign: foreign.length - 1 };
    }
    if (value instanceof Uint8Array) return bytes(value);
    if (value instanceof URL) return value.protocol === "file:" ? fileURLToPath(value) : value.href;
    if (value instanceof Date) return value.getTime();
    if (Array.isArray(value)) {
      const out = [];
      for (const [index, item] of value.entries()) {
        out.push((await walk(item, `${name}[${index}]`, depth + 1)) ?? null);
      }
      return out;
    }
    if (value instanceof Map || value instanceof Set || value instanceof Promise) {
      throw invalid(name, `is a ${value.constructor.name}, which cannot be passed on`);
    }
    const out = {};
    for (const [key, item] of Object.entries(value)) {
      const inside = name === "" ? key : `${name}.${key}`;
      const plain = await walk(item, inside, depth + 1);
      if (plain !== undefined) out[text(key, inside)] = plain;
    }
    return out;
  };
  const plain = await walk(args, "", answer ? -1 : 0);
  return { op, args: JSON.stringify(plain), body, handles, foreign };
}

/** Text where it is UTF-8, else the form that JSON has for bytes. */
function bytes(value) {
  const buffer = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return { $bytes: buffer.toString("base64") };
}

/** An answer with handles and bytes in their places. */
function decode(value, handles = []) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item) => decode(item, handles));
  if (typeof value.$handle === "number") return handles[value.$handle];
  if (typeof value.$bytes === "string") return Buffer.from(value.$bytes, "base64");
  for (const key of Object.keys(value)) {
    const item = value[key];
    if (item !== null && typeof item === "object") value[key] = decode(item, handles);
  }
  return value;
}

module.exports = { HANDLE, Implementer, encode, decode };

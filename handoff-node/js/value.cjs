"use strict";
// Values: JavaScript's names on this side, the format's names on the other.

const { types } = require("node:util");
const { classes, invalid } = require("./errors.cjs");

/** Fields whose own fields are the host's words, not ours. */
const OPAQUE = new Set(["body", "budget", "usage", "variables", "extra", "left", "map"]);

/** Deeper nesting is refused, as in Python; an object that holds itself is one. */
const DEEPEST = 64;

/** The error for it. The argument alone is named: its sixty-fifth level says nothing to anybody. */
const tooDeep = (name) => invalid(name.split(/[.[]/, 1)[0] || "the value", "is nested too deeply, or holds itself");

/** Text that is text: half of a pair of surrogates alone is no character, and no other language can hold it. */
function wellFormed(value, name) {
  if (value.isWellFormed()) return value;
  throw invalid(name.toWellFormed(), "holds half of a surrogate pair, which is no text");
}

const camelName = (name) => name.replace(/(?<=[a-z0-9])_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const snakeName = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** `value` with every name in JavaScript's casing, but for what is the host's. */
function camel(value) {
  if (Array.isArray(value)) return value.map(camel);
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const out = {};
  for (const [key, item] of Object.entries(value)) {
    if (item === null) continue;
    out[camelName(key)] = OPAQUE.has(key) ? item : camel(item);
  }
  return out;
}

/** The other way. A name that is not JavaScript's is refused, so that a slip is not passed over. */
function snake(value, name = "", depth = 0) {
  if (depth > DEEPEST) throw tooDeep(name);
  if (Array.isArray(value)) return value.map((item, index) => snake(item, `${name}[${index}]`, depth + 1));
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const out = {};
  for (const [key, item] of Object.entries(value)) {
    const full = name === "" ? key : `${name}.${key}`;
    if (key.includes("_")) {
      const why = `${full} is not known; the name is ${camelName(key)} in JavaScript`;
      throw new classes.InvalidArgumentError(why, { argument: full });
    }
    out[snakeName(key)] = OPAQUE.has(key) ? item : snake(item, full, depth + 1);
  }
  return out;
}

/** Something with a path: as text in `path`, exactly in `pathBytes`. */
class Pathed {
  #bytes;

  constructor(fields) {
    Object.assign(this, fields);
    const raw = pathOf(fields.path);
    this.path = raw.toString();
    if (typeof raw !== "string") this.#bytes = raw;
  }

  /** The exact bytes of the path. */
  get pathBytes() {
    return this.#bytes ?? Buffer.from(this.path);
  }
}

/** A path of the core's: text, or bytes where it is not UTF-8. */
function pathOf(path) {
  if (typeof path === "string" || Buffer.isBuffer(path)) return path;
  if (typeof path?.base64 === "string") return Buffer.from(path.base64, "base64");
  return String(path);
}

/** The same as text for people. */
const pathText = (path) => (path === undefined || path === null ? undefined : pathOf(path).toString());

/** An options object, split into what is this side's and what goes to the core. */
function options(value, name = "options") {
  if (value === undefined) return { control: {}, rest: {} };
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw invalid(name, "is no object of options");
  const { signal, onProgress, ...rest } = value;
  return { control: { signal, onProgress }, rest };
}

/** The string that an argument has to be. */
function text(value, name) {
  if (typeof value !== "string") throw invalid(name, `is ${kindOf(value)}; pass a string`);
  return value;
}

/** The path that an argument has to be. */
function path(value, name) {
  if (typeof value === "string" || value instanceof Uint8Array) return value;
  if (value instanceof URL && value.protocol === "file:") return value;
  throw invalid(name, `is ${kindOf(value)}; pass a string, bytes, or a file: URL`);
}

/** A list of paths; one alone counts too. */
function paths(value, name) {
  const list = Array.isArray(value) ? value : [value];
  return list.map((item, index) => path(item, Array.isArray(value) ? `${name}[${index}]` : name));
}

/** The bytes that an argument has to be; text counts as UTF-8. */
function content(value, name) {
  if (typeof value === "string") return Buffer.from(wellFormed(value, name));
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw invalid(name, `is ${kindOf(value)}; pass bytes or a string`);
}

/** The instance that an argument has to be. */
function instance(value, type, name) {
  if (!(value instanceof type)) throw invalid(name, `is ${kindOf(value)}; pass a ${type.name}`);
  return value;
}

/** The JSON of a host's own value. */
function jsonText(value, name) {
  const check = (item, depth) => {
    if (depth > DEEPEST) throw tooDeep(name);
    if (typeof item === "string") wellFormed(item, name);
    if (item === null || typeof item !== "object") return;
    for (const [key, inside] of Object.entries(item)) {
      wellFormed(key, name);
      check(inside, depth + 1);
    }
  };
  check(value, 0);
  let json;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw invalid(name, `cannot be written as JSON: ${error?.message}`);
  }
  if (json === undefined) throw invalid(name, `is ${kindOf(value)}, which JSON has no word for`);
  return json;
}

/** What a value is, for messages; never what it holds. */
function kindOf(value) {
  if (value === null) return "null";
  if (types.isPromise(value)) return "a promise, which was not awaited";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") {
    const name = value.constructor?.name;
    if (!name || name === "Object") return "an object";
    return `${/^[AEIOU]/i.test(name) ? "an" : "a"} ${name}`;
  }
  return value === undefined ? "missing" : `a ${typeof value}`;
}

/** The same for what an implementer returned. */
const returned = (value) => (value === undefined ? "nothing" : kindOf(value));

module.exports = {
  DEEPEST, Pathed, camel, content, instance, jsonText, kindOf, options, path, pathOf, pathText, paths, returned, snake,
  snakeName, text, tooDeep, wellFormed,
};

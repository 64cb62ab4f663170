"use strict";
// What programs read: the same documents as those of `python -m handoff`.

const { Pathed, snakeName } = require("../value.cjs");

/** Fields whose own fields are the host's words, not ours. */
const AS_THEY_ARE = new Set(["body", "budget", "usage", "variables", "extra", "left", "map"]);

/** What the core wrote as a whole, under its own names. What is absent is left out. */
class Whole {
  constructor(value) {
    this.toJSON = () => value;
  }
}

function present(value) {
  if (Array.isArray(value)) return value.map(present);
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).filter(([, item]) => item !== null && item !== undefined);
  return Object.fromEntries(kept.map(([key, item]) => [key, present(item)]));
}

/** A value with the format's names. What is absent is left out. */
function document(value) {
  if (Array.isArray(value)) return value.map(document);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.toJSON === "function") return present(value.toJSON());
  const out = {};
  for (const [key, item] of Object.entries(value)) {
    if (item === null || item === undefined || typeof item === "function") continue;
    out[snakeName(key)] = AS_THEY_ARE.has(key) ? present(item) : document(item);
  }
  if (value instanceof Pathed && !Buffer.from(value.path).equals(value.pathBytes)) {
    out.path = { base64: value.pathBytes.toString("base64") };
  }
  return out;
}

/** The error, with the argument named as it is on this command line. */
function told(error) {
  const plain = error.toJSON?.() ?? { message: String(error) };
  if (plain.argument === undefined) return plain;
  const argument = snakeName(plain.argument).replaceAll("_", "-");
  const message = plain.message.startsWith(`${plain.argument} `) ? argument + plain.message.slice(plain.argument.length) : plain.message;
  return { ...plain, argument, message };
}

module.exports = { Whole, document, told };

"use strict";
// Objects of the caller's that implement a port.

const { encode, Implementer } = require("./wire.cjs");
const { invalid } = require("./errors.cjs");
const { kindOf } = require("./value.cjs");

/**
 * An implementer of `port` over `object`. `methods`: the core's name of each method to what calls it, given the object,
 * the arguments, the body and the context; it gives `{ value, body }`, or nothing. Methods are called on the object itself, so that `this` and
 * private fields work; they may be async or not.
 */
function implementer(methods, object) {
  return new Implementer({
    async call(method, args, body, signal) {
      const call = methods[method];
      if (call === undefined) throw invalid(method, "is no method of this port");
      const { value = null, body: out } = (await call(object, args, body, { signal })) ?? {};
      try {
        return await encode(method, { value }, out, { answer: true });
      } catch (error) {
        throw new TypeError(`${method} returned what cannot be passed on: ${error.message}`, { cause: error });
      }
    },
  });
}

/** Checks once, where the object is passed in, that it can be what it is to be. */
function check(object, name, port, required) {
  if (object === null || (typeof object !== "object" && typeof object !== "function")) {
    throw invalid(name, `is ${kindOf(object)}; pass a ${port}`);
  }
  const missing = required.filter((method) => typeof object[method] !== "function");
  if (missing.length > 0) throw invalid(name, `is no ${port}: it has no method ${missing.join(", ")}`);
  return object;
}

/**
 * What stands for an object of the caller's, as long as somebody uses it. Weakly: it keeps the object, so keeping it with
 * the object would keep both for ever.
 */
const made = new WeakMap();

function wrapped(object, make) {
  const known = made.get(object)?.deref();
  if (known) return known;
  const held = make();
  made.set(object, new WeakRef(held));
  return held;
}

module.exports = { check, implementer, wrapped };

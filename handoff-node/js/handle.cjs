"use strict";
// What the classes over a native handle have in common.

const { Operation } = require("./operation.cjs");
const { invalid } = require("./errors.cjs");
const { HANDLE } = require("./wire.cjs");

const dispose = Symbol.dispose ?? Symbol.for("nodejs.dispose");
/** Only this package makes instances of some classes. */
const KEY = Symbol("handoff");

/** Holds a native handle, or makes it when it is first needed. */
class Held {
  #handle;
  #make;
  #closed = false;

  constructor(handleOrMake) {
    if (typeof handleOrMake === "function") this.#make = handleOrMake;
    else this.#handle = handleOrMake;
  }

  /** The native handle, or a promise of it, for the argument `name`. */
  [HANDLE](name) {
    if (this.#closed) throw invalid(name, `is a ${this.constructor.name} that is closed`);
    if (this.#handle === undefined) {
      // One that could not be made is tried again at the next use.
      const made = (async () => (await this.#make()).handle)();
      made.catch(() => {
        if (this.#handle === made) this.#handle = undefined;
      });
      this.#handle = made;
    }
    return this.#handle;
  }

  /** Lets go of what it holds; every later use throws. Never blocks, and does no harm when done twice. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    const handle = this.#handle;
    this.#handle = undefined;
    // What it would be made of, too: that may be an object of the caller's that holds this one.
    this.#make = undefined;
    if (handle instanceof Promise) handle.then((made) => made.close(), () => {});
    else handle?.close();
  }

  [dispose]() {
    this.close();
  }
}

/**
 * A call of `op`, whose arguments are checked as part of it: what is wrong with them rejects. `prepare` is given a signal
 * that is aborted when they are no longer wanted.
 */
function call(op, prepare, control, make, map) {
  const preparing = new AbortController();
  // An async function, so that what it throws is the operation's failure and not thrown at the caller.
  const request = (async () => {
    const { body, ...args } = await prepare(preparing.signal);
    return { op, args, body };
  })();
  request.catch(() => {});
  return new Operation(request, { ...control, preparing }, make, map);
}

/** Refuses `new` for classes whose instances come from the core. */
function onlyOurs(key, type) {
  if (key !== KEY) throw invalid(type, "has no public constructor");
}

module.exports = { Held, KEY, call, onlyOurs };

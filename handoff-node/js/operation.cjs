"use strict";
// What every call that takes time returns: await it, iterate its events, cancel it, leave its scope.

const door = require("./door.cjs");
const { classes, invalid } = require("./errors.cjs");
const { encode } = require("./wire.cjs");

const { CancelledError, HandoffError } = classes;

/** Node 20 has it; older typings and runtimes may not. */
const asyncDispose = Symbol.asyncDispose ?? Symbol.for("nodejs.asyncDispose");

/** Events kept for an iterator that is slower than they come; older ones make room. */
const KEPT = 64;

class Operation {
  #promise;
  #resolve;
  #reject;
  /** The native number, while it is under way. */
  #id;
  #state = "starting";
  #cancelled = false;
  /** What to reject with in place of the core's error of kind cancelled. */
  #reason;
  #unlisten = () => {};
  /** Tells what prepares the request that it is no longer wanted. */
  #preparing;
  #idle;
  /** Gives up waiting for objects that are still being made; others may wait for them too. */
  #leave;
  #make;
  #map;
  #onProgress;
  #events = [];
  #readers = [];
  #pulling = false;
  #eventsEnded = false;
  #iterating = false;
  /** Whether anybody is there to hear of a failure. */
  #heard = false;
  #last;
  #site = {};

  /**
   * `request`: an op, its arguments and body, or a promise of them. `options`: the caller's `signal` and `onProgress`;
   * `preparing`: an AbortController for whoever makes the request; `idle`: that the process need not wait for it.
   * `make` turns the core's answer into the caller's value, `map` an event.
   */
  constructor(request, { signal, onProgress, preparing, idle = false } = {}, make = (value) => value, map = (event) => event) {
    Error.captureStackTrace(this.#site, Operation);
    this.#preparing = preparing;
    this.#idle = idle;
    this.#make = make;
    this.#map = map;
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#begin(request, signal, onProgress);
  }

  async #begin(request, signal, onProgress) {
    try {
      if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid("signal", "is no AbortSignal");
      if (onProgress !== undefined && typeof onProgress !== "function") throw invalid("onProgress", "is no function");
      this.#onProgress = onProgress;
      if (signal) {
        const abort = () => this.#stop(signal.reason);
        if (signal.aborted) abort();
        else {
          signal.addEventListener("abort", abort, { once: true });
          this.#unlisten = () => signal.removeEventListener("abort", abort);
        }
      }
      if (this.#cancelled) throw this.#cancelError();
      const { op, args, body } = await request;
      if (this.#cancelled) throw this.#cancelError();
      const encoded = await this.#whole(op, args, body);
      // Nothing has moved yet, so there is nothing to wait for.
      if (this.#cancelled) throw this.#cancelError();
      this.#id = door.start(encoded, {
        onValue: (value, body) => this.#settle(() => this.#make(value, body)),
        onError: (error) => this.#fail(error),
        onEvent: (event) => this.#take(event),
        idle: this.#idle,
      });
      this.#state = "running";
      if (this.#onProgress || this.#readers.length > 0) this.#pull();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The request with its objects. One that is still being made keeps the process only while somebody waits for it, as here. */
  async #whole(op, args, body) {
    if (!this.#idle) door.hold(1);
    try {
      return await new Promise((resolve, reject) => {
        this.#leave = () => reject(this.#cancelError());
        encode(op, args, body).then(resolve, reject);
      });
    } finally {
      if (!this.#idle) door.hold(-1);
    }
  }

  async #settle(make) {
    try {
      const value = await make();
      this.#end(() => this.#resolve(value));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error) {
    if (this.#cancelled && (error?.kind === "cancelled" || this.#id === undefined)) error = this.#cancelError(error);
    if (error instanceof HandoffError && error !== this.#reason && this.#site.stack) {
      // Where the caller called, not where the answer arrived.
      const lines = this.#site.stack.split("\n").slice(1);
      error.stack = [`${error.name}: ${error.message}`, ...lines].join("\n");
    }
    this.#end(() => this.#reject(error));
  }

  #cancelError(error) {
    if (this.#reason !== undefined) return this.#reason;
    return error?.kind === "cancelled" ? error : new CancelledError("cancelled by the caller; nothing is left behind");
  }

  /** A callback gets the last events before the caller gets the result; an iterator may read them when it likes. */
  #end(settle) {
    this.#state = "ended";
    this.#unlisten();
    if (this.#onProgress && !this.#eventsEnded && this.#id !== undefined) {
      this.#last = settle;
      this.#pull();
      return;
    }
    if (this.#eventsEnded) this.#forget();
    else if (!this.#iterating) this.#endEvents();
    settle();
  }

  #endEvents() {
    if (this.#eventsEnded) return;
    this.#eventsEnded = true;
    if (this.#state === "ended") this.#forget();
    for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true });
    if (this.#iterating) this.#tell();
    this.#last?.();
  }

  /** A failure while somebody iterates waits for the await that follows; one that nobody then awaits is not swallowed. */
  #tell() {
    setImmediate(() => {
      if (!this.#heard) this.#promise.then();
    });
  }

  #forget() {
    if (this.#id !== undefined) door.forget(this.#id);
  }

  #stop(reason) {
    if (this.#state === "ended" || this.#cancelled) return;
    this.#cancelled = true;
    this.#reason = reason;
    this.#preparing?.abort(reason);
    if (this.#id !== undefined) door.cancel(this.#id);
    else this.#leave?.();
  }

  #pull() {
    if (this.#pulling || this.#eventsEnded || this.#id === undefined) return;
    this.#pulling = door.nextEvent(this.#id);
    if (!this.#pulling) this.#endEvents();
  }

  #take(event) {
    this.#pulling = false;
    if (event === undefined) return this.#endEvents();
    event = this.#map(event);
    const reader = this.#readers.shift();
    if (reader) reader({ value: event, done: false });
    else {
      this.#events.push(event);
      if (this.#events.length > KEPT) this.#events.shift();
    }
    if (this.#onProgress) {
      try {
        this.#onProgress(event);
      } catch (error) {
        // A callback that throws ends the operation, and the caller gets what it threw.
        this.#onProgress = undefined;
        if (this.#state === "ended") this.#last = () => this.#reject(error);
        else this.#stop(error);
      }
    }
    if (this.#onProgress || this.#readers.length > 0) this.#pull();
  }

  /** Cancels; resolves once the core has cleaned up, and never rejects. */
  async cancel() {
    this.#heard = true;
    this.#promise.catch(() => {});
    this.#stop(undefined);
    await this.#promise.then(
      () => {},
      () => {},
    );
  }

  then(fulfilled, rejected) {
    this.#heard = true;
    return this.#promise.then(fulfilled, rejected);
  }

  catch(rejected) {
    this.#heard = true;
    return this.#promise.catch(rejected);
  }

  finally(settled) {
    this.#heard = true;
    return this.#promise.finally(settled);
  }

  get [Symbol.toStringTag]() {
    return "Operation";
  }

  /** Events as they come, up to the end; the result, also a failure, is what awaiting gives. */
  [Symbol.asyncIterator]() {
    this.#iterating = true;
    this.#promise.catch(() => {});
    const next = () => {
      if (this.#events.length > 0) return Promise.resolve({ value: this.#events.shift(), done: false });
      if (this.#eventsEnded) return Promise.resolve({ value: undefined, done: true });
      return new Promise((resolve) => {
        this.#readers.push(resolve);
        this.#pull();
      });
    };
    const done = async () => {
      this.#iterating = false;
      if (this.#state === "ended") this.#endEvents();
      this.#tell();
      return { value: undefined, done: true };
    };
    return {
      next,
      return: done,
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** The end of an `await using` scope: cancels what is still under way, and waits. */
  async [asyncDispose]() {
    await this.cancel();
  }
}

/** An operation of one op. */
const operation = (op, args, options, make, map) => new Operation({ op, args }, options, make, map);

/** One that makes what others need. They keep the process while they wait for it, and may have given up; it does not. */
const opening = (op, args) => operation(op, args, { idle: true });

module.exports = { Operation, operation, opening, asyncDispose };

"use strict";
// Both directions through the native half. Calls go out as JSON, bytes, handles and numbers of implementers; answers,
// events and calls of implementers come back one by one, on this thread, as messages.

const { Door } = require("./native.cjs");
const { classes, fromFailure } = require("./errors.cjs");
const { decode } = require("./wire.cjs");

const { HandoffError } = classes;

/** Kinds of messages, as in src/message.rs. */
const CALL = 0, ABORT = 1, SETTLED = 2, EVENT = 3, RELEASE = 4, FORGET = 5;

/** What waits for a message, by the number of its operation. */
const operations = new Map();
/** Implementers in use, by number. */
const implementers = new Map();
/** Calls of implementers under way, by number. */
const calls = new Map();
/** Thrown values that the core holds as causes. */
const causes = new Map();

let last = 0;
const number = () => {
  // 32 bits on the other side; a number still in use after four billion others is skipped.
  do last = (last + 1) >>> 0 || 1;
  while (operations.has(last) || implementers.has(last) || causes.has(last));
  return last;
};

/** Keeps the event loop alive while somebody waits for an operation; messages by themselves do not. */
let alive;
let waiting = 0;
function hold(more) {
  waiting += more;
  alive ??= setInterval(() => {}, 0x7fffffff);
  if (waiting > 0) alive.ref();
  else alive.unref();
}

const door = new Door((kind, id, who, method, json, body, handles) => {
  // Nothing may be thrown out of here: there is nobody above to catch it.
  try {
    if (kind === CALL) return void answer(id, who, method, json, body, handles);
    if (kind === ABORT) {
      const call = calls.get(id);
      calls.delete(id);
      return void call?.abort();
    }
    if (kind === SETTLED) return settled(id, json, body, handles);
    if (kind === EVENT) return operations.get(id)?.onEvent(json === "" ? undefined : JSON.parse(json));
    if (kind === RELEASE) return void implementers.delete(who);
    if (kind === FORGET) return void causes.delete(id);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
});

function settled(id, json, body, handles) {
  const waits = operations.get(id);
  if (!waits) return;
  const { value, error } = JSON.parse(json);
  if (error) waits.onError(fromFailure(error, error.cause == null ? undefined : causes.get(error.cause)?.value));
  else waits.onValue(decode(value, handles), body ?? undefined);
}

/**
 * Starts an operation: `request` as `encode` makes it. `waits` is told how it goes on, and keeps the event loop alive unless it
 * is `idle`.
 */
function start(request, waits) {
  const id = number();
  operations.set(id, waits);
  if (!waits.idle) hold(1);
  try {
    door.start(id, request.op, request.args, request.body, request.handles, request.foreign.map(implementer));
  } catch (error) {
    forget(id);
    throw error;
  }
  return id;
}

/** Nothing more is wanted of an operation. */
function forget(id) {
  const waits = operations.get(id);
  if (!operations.delete(id)) return;
  door.forget(id);
  if (!waits.idle) hold(-1);
}

/** A number for an implementer: `{ call(method, args, body, handles, signal) }`, which gives the answer to be encoded. */
function implementer(dispatch) {
  const who = number();
  implementers.set(who, dispatch);
  return who;
}

async function answer(id, who, method, json, body, handles) {
  const abort = new AbortController();
  calls.set(id, abort);
  let reply;
  try {
    const dispatch = implementers.get(who);
    if (!dispatch) throw new HandoffError("the implementer is gone", { kind: "runtime" });
    const given = decode(JSON.parse(json), handles);
    reply = await dispatch.call(method, given, body ?? undefined, abort.signal);
  } catch (thrown) {
    reply = { args: JSON.stringify({ error: envelope(thrown) }), handles: [] };
  } finally {
    calls.delete(id);
  }
  try {
    door.answer(id, reply.args, reply.body, reply.handles);
  } catch (error) {
    door.answer(id, JSON.stringify({ error: envelope(error) }), undefined, []);
  }
}

/** A thrown value as data. It is kept itself, so that the caller in the end gets this very object as cause. */
function envelope(thrown) {
  const cause = number();
  causes.set(cause, { value: thrown });
  // Whatever was thrown may have getters that throw, and fields that are no text: it must arrive all the same.
  const field = (get, type) => {
    try {
      const found = get();
      if (typeof found !== type) return undefined;
      return type === "string" ? found.toWellFormed() : found;
    } catch {
      return undefined;
    }
  };
  const text = () => String(thrown instanceof Error ? thrown.message || thrown.name : thrown);
  return {
    kind: field(() => (thrown instanceof HandoffError ? thrown.kind : undefined), "string"),
    message: field(text, "string") ?? "a value that has no text was thrown",
    retryable: field(() => thrown?.retryable, "boolean"),
    cause,
  };
}

/** What is held now; for tests of leaks. */
const held = () => ({
  operations: operations.size,
  implementers: implementers.size,
  calls: calls.size,
  causes: causes.size,
});

module.exports = { hold, start, forget, cancel: (id) => door.cancel(id), nextEvent: (id) => door.nextEvent(id), held };

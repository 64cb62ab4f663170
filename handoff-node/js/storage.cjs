"use strict";
// Where bytes live.

const { Held, KEY, call } = require("./handle.cjs");
const { check, implementer, wrapped } = require("./port.cjs");
const { classes, invalid } = require("./errors.cjs");
const { opening, operation } = require("./operation.cjs");
const { camel, content, instance, kindOf, options, path, returned, snake, text } = require("./value.cjs");
const { Snapshot } = require("./snapshot.cjs");

const nothing = () => undefined;

/** A storage of the core's. */
class BuiltInStorage extends Held {
  putNew(key, body) {
    return call("storage.put_new", () => ({ storage: this, key: text(key, "key"), body: content(body, "body") }));
  }

  put(key, body) {
    const prepare = () => ({ storage: this, key: text(key, "key"), body: content(body, "body") });
    return call("storage.put", prepare, {}, nothing);
  }

  putStream(key, body) {
    const prepare = () => ({ storage: this, key: text(key, "key"), stream: implementer(BODY, iterator(body)) });
    return call("storage.put_stream", prepare, {}, nothing);
  }

  get(key, range) {
    const prepare = () => ({ storage: this, key: text(key, "key"), range });
    return call("storage.get", prepare, {}, (value, body) => body ?? null);
  }

  list(prefix, after, limit) {
    return call("storage.list", () => ({ storage: this, prefix: text(prefix, "prefix"), after, limit }), {}, camel);
  }

  delete(keys) {
    return call("storage.delete", () => ({ storage: this, keys: [keys].flat() }), {}, nothing);
  }
}

class MemoryStorage extends BuiltInStorage {
  constructor() {
    super(() => opening("storage.memory", {}));
  }
}

class DirStorage extends BuiltInStorage {
  constructor(directory, given) {
    const root = path(directory, "directory");
    const { rest } = options(given);
    super(() => opening("storage.dir", { path: root, ...snake(rest) }));
    this.directory = root instanceof URL ? require("node:url").fileURLToPath(root) : root;
  }
}

/** The body of a stream, once: a second reader would find nothing, and store that. */
function body(handle) {
  let read = false;
  return {
    [Symbol.asyncIterator]() {
      if (read) throw invalid("body", "was read already; keep its pieces to read them again");
      read = true;
      return pieces(handle);
    },
  };
}

/** Its pieces, as they come. */
async function* pieces(handle) {
  const stream = new Held(handle);
  try {
    for (;;) {
      const piece = await operation("body.next", { body: stream }, {}, (value, body) => body);
      if (piece === undefined || piece === null) return;
      yield piece;
    }
  } finally {
    stream.close();
  }
}

/** What gives the pieces of a body. */
function iterator(body) {
  const start = body?.[Symbol.asyncIterator] ?? (typeof body === "string" ? undefined : body?.[Symbol.iterator]);
  if (typeof start !== "function" || body instanceof Uint8Array) {
    throw invalid("body", `is ${kindOf(body)}; pass an iterable of bytes`);
  }
  return start.call(body);
}

const BODY = {
  next: async (pieces) => {
    const { done, value } = await pieces.next();
    return done ? { value: false } : { value: true, body: content(value, "a piece of body") };
  },
};

const range = (given) => (given ? { start: given.start, end: given.end } : undefined);

const METHODS = {
  put_new: async (storage, { key }, body, context) => {
    const found = await storage.putNew(key, body ?? Buffer.alloc(0), context);
    if (found !== "created" && found !== "exists") throw nonsense("putNew", found, "created or exists");
    return { value: found };
  },
  put: async (storage, { key }, body, context) => {
    await storage.put(key, body ?? Buffer.alloc(0), context);
  },
  put_stream: async (storage, given, _, context) => {
    await storage.putStream(given.key, body(given.body), context);
  },
  get: async (storage, { key, range: part }, _, context) => {
    const found = await storage.get(key, range(part), context);
    if (found === null || found === undefined) return { value: null };
    if (!(found instanceof Uint8Array)) throw nonsense("get", found, "bytes or null");
    return { value: true, body: Buffer.from(found.buffer, found.byteOffset, found.byteLength) };
  },
  list: async (storage, { prefix, after, limit }, _, context) => {
    const found = await storage.list(prefix, after ?? undefined, limit, context);
    if (!Array.isArray(found)) throw nonsense("list", found, "an array");
    return {
      value: found.map((meta) => {
        const modified = meta?.modified instanceof Date ? meta.modified.getTime() : meta?.modified;
        if (typeof meta?.key !== "string" || !Number.isFinite(meta.size) || !Number.isFinite(modified)) {
          throw nonsense("list", meta, "objects with key, size and modified");
        }
        return { key: meta.key, size: meta.size, modified };
      }),
    };
  },
  delete: async (storage, { keys }, _, context) => {
    await storage.delete(keys, context);
  },
  presign: async (storage, { key, access, ttl }, _, context) => {
    if (typeof storage.presign !== "function") return { value: null };
    return { value: (await storage.presign(key, access, ttl, context)) ?? null };
  },
};

const nonsense = (method, found, wanted) =>
  new classes.StorageError(`${method} of this storage returned ${returned(found)}; it has to return ${wanted}`);

/** The storage that an argument is, of the core's or the caller's. */
function asStorage(value, name) {
  if (value instanceof BuiltInStorage) return value;
  check(value, name, "Storage", ["putNew", "put", "putStream", "get", "list", "delete"]);
  return wrapped(value, () => new Held(() => opening("storage.foreign", { storage: implementer(METHODS, value) })));
}

class Snapshots extends Held {
  constructor(storage, make = undefined) {
    if (storage === KEY) return void super(make);
    const store = asStorage(storage, "storage");
    super(() => opening("snapshots.new", { storage: store }));
  }

  save(snapshot, given) {
    const prepare = () => ({
      snapshots: this,
      snapshot: instance(snapshot, Snapshot, "snapshot"),
      ...snake(options(given).rest),
    });
    return call("snapshots.save", prepare, {}, camel);
  }

  load(reference) {
    const prepare = () => ({ snapshots: this, reference: snake(reference, "reference") });
    return call("snapshots.load", prepare, {}, (answer) => new Snapshot(KEY, answer));
  }
}

module.exports = { BuiltInStorage, DirStorage, MemoryStorage, Snapshots, asStorage };

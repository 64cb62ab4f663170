// A storage of one's own, here over a map: six methods, used like any other. `checkStorage` of handoff-node/testing checks
// one against the contract, with some thousand requests.

import { Conversations, StorageError } from "handoff-node";

class MapStorage {
  #objects = new Map();

  putNew(key, body) {
    if (this.#objects.has(key)) return "exists";
    this.put(key, body);
    return "created";
  }

  put(key, body) {
    this.#objects.set(key, { body: Buffer.from(body), modified: new Date() });
  }

  async putStream(key, body, { signal }) {
    const parts = [];
    for await (const part of body) parts.push(part);
    // All of it or nothing: nobody wants it any more once the signal is aborted.
    if (signal.aborted) throw new StorageError("given up", { retryable: true });
    this.put(key, Buffer.concat(parts));
  }

  get(key, range) {
    const body = this.#objects.get(key)?.body;
    if (body === undefined || range === undefined) return body ?? null;
    return body.subarray(range.start, Math.max(range.start, range.end));
  }

  list(prefix, after, limit) {
    const below = (key) => key.startsWith(`${prefix}/`) && (after === undefined || key > after);
    const keys = [...this.#objects.keys()].filter(below).sort().slice(0, limit);
    return keys.map((key) => ({ key, size: this.#objects.get(key).body.length, modified: this.#objects.get(key).modified }));
  }

  delete(keys) {
    for (const key of keys) this.#objects.delete(key);
  }
}

const storage = new MapStorage();
const conversations = new Conversations(storage);
const { id } = await conversations.create({ owner: "ana" });
await conversations.append(id, [{ role: "user", text: "Where is this kept?" }, "In a map."]);
const fork = await conversations.fork(id, { owner: "bob" });
for await (const { role, text } of conversations.read(fork.id)) console.log(`${role}: ${text}`);

// A storage as a caller would write one.

/** A storage in a map, with state that only its own methods reach. */
export class MapStorage {
  #objects = new Map();
  putNew(key, body) {
    if (this.#objects.has(key)) return "exists";
    this.#objects.set(key, { body: Buffer.from(body), modified: new Date() });
    return "created";
  }
  async put(key, body) {
    this.#objects.set(key, { body: Buffer.from(body), modified: new Date() });
  }
  async putStream(key, body) {
    const parts = [];
    for await (const part of body) parts.push(part);
    this.#objects.set(key, { body: Buffer.concat(parts), modified: new Date() });
  }
  get(key, range) {
    return this.#objects.get(key)?.body.subarray(range?.start, range && Math.max(range.end, range.start)) ?? null;
  }
  list(prefix, after, limit) {
    const below = (key) => key.startsWith(`${prefix}/`) && (after === undefined || key > after);
    const keys = [...this.#objects.keys()].filter(below).sort().slice(0, limit);
    return keys.map((key) => {
      const { body, modified } = this.#objects.get(key);
      return { key, size: body.length, modified };
    });
  }
  delete(keys) {
    for (const key of keys) this.#objects.delete(key);
  }
}

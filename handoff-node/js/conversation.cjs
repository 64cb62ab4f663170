"use strict";
// Conversations in a storage: append, read, fork.

const { Held, KEY, call } = require("./handle.cjs");
const { invalid } = require("./errors.cjs");
const { opening } = require("./operation.cjs");
const { asStorage } = require("./storage.cjs");
const { camel, content, jsonText, kindOf, options, snake, text } = require("./value.cjs");

/** Messages as the core takes them: one or many, each an object or what the assistant says. */
function newMessages(value, name) {
  const list = Array.isArray(value) ? value : [value];
  return list.map((item, index) => newMessage(item, Array.isArray(value) ? `${name}[${index}]` : name, "assistant"));
}

/** One message; `role` is whose a plain string is. */
function newMessage(value, name, role) {
  if (typeof value === "string") return { role, text: value };
  if (value === null || typeof value !== "object") throw invalid(name, `is ${kindOf(value)}; pass a message or a string`);
  text(value.role, `${name}.role`);
  const { body, ...rest } = value;
  // As text, so that it is kept as it is and nothing in it is taken for one of our words.
  return { ...snake(rest, name), body: body === undefined ? undefined : jsonText(body, `${name}.body`) };
}

function message(wire) {
  const out = { text: "", kind: "message", toolCalls: [], toolResults: [], attachments: [], ...camel(wire) };
  out.toolResults = out.toolResults.map((result) => ({ text: "", status: "done", ...result }));
  if (wire.body !== undefined) out.body = JSON.parse(wire.body);
  return out;
}
const messages = (wire) => wire.map(message);
const forkPoint = (at) => (at === undefined || at === "head" ? undefined : at);

class Conversations extends Held {
  constructor(storage, make = undefined) {
    if (storage === KEY) return void super(make);
    const store = asStorage(storage, "storage");
    super(() => opening("conversations.new", { storage: store }));
  }

  create(given) {
    return call("conversation.create", () => ({ conversations: this, ...snake(options(given).rest) }), {}, camel);
  }

  head(id) {
    return call("conversation.head", () => ({ conversations: this, id: text(id, "id") }), {}, camel);
  }

  append(id, said, given) {
    const prepare = () => ({
      conversations: this,
      id: text(id, "id"),
      messages: newMessages(said, "messages"),
      ...snake(options(given).rest),
    });
    return call("conversation.append", prepare, {}, camel);
  }

  messages(id, given) {
    const prepare = () => ({ conversations: this, id: text(id, "id"), ...snake(options(given).rest) });
    return call("conversation.messages", prepare, {}, messages);
  }

  async *read(id, { from = 0, page = 256 } = {}) {
    for (let next = from; ; ) {
      const some = await this.messages(id, { from: next, limit: page });
      yield* some;
      next += some.length;
      if (some.length < page) return;
    }
  }

  fork(id, given) {
    const prepare = () => {
      const { at, id: own, ...rest } = options(given).rest;
      return { conversations: this, id: text(id, "id"), new_id: own, at: forkPoint(at), ...snake(rest) };
    };
    return call("conversation.fork", prepare, {}, camel);
  }

  waitSynced(id, given) {
    const prepare = () => ({ conversations: this, id: text(id, "id"), ...snake(options(given).rest) });
    return call("conversation.wait_synced", prepare, { signal: given?.signal }, camel);
  }

  attach(name, bytes, given) {
    const prepare = () => ({
      conversations: this,
      name: text(name, "name"),
      body: content(bytes, "content"),
      ...snake(options(given).rest),
    });
    return call("conversation.attach", prepare, {}, camel);
  }

  readAttachment(attachment) {
    const prepare = () => ({ conversations: this, attachment: snake(attachment, "attachment") });
    return call("conversation.read_attachment", prepare, {}, (_, body) => body ?? Buffer.alloc(0));
  }
}

module.exports = { Conversations, forkPoint, message, messages, newMessage, newMessages };

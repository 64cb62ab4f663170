"use strict";
// The session an agent is in.

const { Held, KEY, call, onlyOurs } = require("./handle.cjs");
const { ApplyReport } = require("./apply.cjs");
const { message, messages, newMessage, newMessages } = require("./conversation.cjs");
const { camel, content, options, pathText, snake, text } = require("./value.cjs");

class Session extends Held {
  constructor(key, handle, facts, signal) {
    onlyOurs(key, "Session");
    super(handle);
    this.run = facts.run;
    this.id = facts.session;
    this.number = facts.number;
    this.prompt = facts.prompt;
    this.model = facts.model ?? undefined;
    this.root = pathText(facts.root);
    this.repos = facts.repos.map(pathText);
    this.variables = facts.variables ?? {};
    this.restored = facts.restored ? new ApplyReport(KEY, facts.restored.report, facts.restored.text) : undefined;
    this.signal = signal;
  }

  cancelled() {
    return call("session.cancelled", () => ({ session: this }));
  }

  head() {
    return call("session.head", () => ({ session: this }), {}, camel);
  }

  messages(given) {
    return call("session.messages", () => ({ session: this, ...snake(options(given).rest) }), {}, messages);
  }

  append(said) {
    const prepare = () => ({ session: this, messages: newMessages(said, "messages") });
    return call("session.append", prepare, {}, () => undefined);
  }

  followUps() {
    return call("session.follow_ups", () => ({ session: this }), {}, messages);
  }

  usage(used) {
    return call("session.usage", () => ({ session: this, used }), {}, () => undefined);
  }

  remainingBudget() {
    return call("session.remaining_budget", () => ({ session: this }));
  }

  checkpoint() {
    return call("session.checkpoint", () => ({ session: this }), {}, camel);
  }

  block(question) {
    const prepare = () => ({ session: this, question: newMessage(question, "question", "assistant") });
    return call("session.block", prepare, { signal: this.signal }, message);
  }

  attach(name, bytes, given) {
    const prepare = () => ({
      session: this,
      name: text(name, "name"),
      body: content(bytes, "content"),
      ...snake(options(given).rest),
    });
    return call("session.attach", prepare, {}, camel);
  }

  readAttachment(attachment) {
    const prepare = () => ({ session: this, attachment: snake(attachment, "attachment") });
    return call("session.read_attachment", prepare, {}, (_, body) => body ?? Buffer.alloc(0));
  }
}

module.exports = { Session };

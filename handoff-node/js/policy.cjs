"use strict";
// A host's rules, and who is told: ports that hosts implement.

const { check, implementer } = require("./port.cjs");
const { classes } = require("./errors.cjs");
const { camel, returned } = require("./value.cjs");

/** A method that may be left out: then the core's default holds. */
const optional = (name, args, wanted) => async (policy, given, _body, context) => {
  if (typeof policy[name] !== "function") return { value: { default: true } };
  const found = await policy[name](...args(given), context);
  if (typeof found !== wanted || found === null) {
    throw new classes.NotPermittedError(`${name} of this policy returned ${returned(found)}; it has to return ${wanted === "object" ? "an object" : "a boolean"}`);
  }
  return { value: { is: found } };
};

const POLICY = {
  relation: async (policy, { actor, run }, _body, context) => ({
    value: await policy.relation(actor, camel(run), context),
  }),
  may_store_conversations: optional("mayStoreConversations", ({ actor }) => [actor], "boolean"),
  may_fork: optional("mayFork", ({ actor, conversation }) => [actor, camel(conversation)], "boolean"),
  may_leave_children: optional("mayLeaveChildren", ({ run, live }) => [camel(run), live], "boolean"),
  may_delete: optional("mayDelete", ({ actor, run }) => [actor, camel(run)], "boolean"),
  budget: optional("budget", ({ actor, run }) => [actor, run ? camel(run) : undefined], "object"),
};

const NOTIFY = {
  notify: async (notify, { notice }, _body, context) => {
    await notify.notify({ kind: notice.kind, run: camel(notice.run) }, context);
  },
};

/** The policy that an argument is; absent is the default. */
const asPolicy = (value, name) =>
  value === undefined ? undefined : implementer(POLICY, check(value, name, "Policy", ["relation"]));

/** Who is told; absent is nobody. */
const asNotify = (value, name) =>
  value === undefined ? undefined : implementer(NOTIFY, check(value, name, "Notify", ["notify"]));

module.exports = { asNotify, asPolicy };

"use strict";
// For implementers of ports: is yours one?

const { call } = require("./handle.cjs");
const { BuiltInAgent, asAgent } = require("./agent.cjs");
const { implementer } = require("./port.cjs");
const { asRuntime } = require("./runtime.cjs");
const { BuiltInStorage, asStorage } = require("./storage.cjs");
const { invalid } = require("./errors.cjs");
const { camel, kindOf, options, snake, text } = require("./value.cjs");

/** Storages that are opened: as many as the suite uses at once. */
const CONNECTIONS = 8;

/** What a suite found. */
class ContractReport {
  #text;

  constructor({ cases, text: said }) {
    this.cases = cases.map(camel);
    this.passed = this.failures.length === 0;
    this.#text = said;
  }

  get failures() {
    return this.cases.filter(({ failure }) => failure !== undefined);
  }

  toString() {
    return this.#text;
  }
}

const report = (answer) => new ContractReport(answer);

/** An operation whose events are the cases as they are done. */
const check = (op, given, prepare) => {
  const { control, rest } = split(given);
  return call(op, (signal) => prepare(rest, signal), control, report, camel);
};

/** What the caller's own function gives, as long as it is wanted. */
const wanted = (signal, made) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    Promise.resolve(made).then(resolve, reject);
  });

/** What is wrong with the options is the operation's failure, as all that is wrong. */
function split(given) {
  try {
    return options(given);
  } catch (error) {
    return { control: {}, rest: Promise.reject(error) };
  }
}

function checkStorage(storage, given) {
  return check("conformance.storage", given, async (rest, signal) => {
    const own = snake(await rest);
    if (typeof storage !== "function") return { storages: [asStorage(storage, "storage")], ...own };
    const storages = [];
    for (let number = 0; number < CONNECTIONS; number += 1) {
      storages.push(asStorage(await wanted(signal, storage()), "storage()"));
    }
    return { storages, ...own };
  });
}

function checkAgent(agent, given) {
  return check("conformance.agent", given, async (rest) => ({ agent: asAgent(agent, "agent"), ...snake(await rest) }));
}

function checkRuntime(open, given) {
  return check("conformance.runtime", given, async (rest) => {
    if (typeof open !== "function") throw invalid("open", `is ${kindOf(open)}; pass a function`);
    const { environment, ...own } = await rest;
    text(environment, "environment");
    return { open: implementer(OPENING, new Opener(open)), environment, ...snake(own) };
  });
}

/** Opens and closes runtimes for the core. */
class Opener {
  closing = new Map();

  constructor(open) {
    this.make = open;
  }
}

const OPENING = {
  open: async (opener, { number, storage, agent, terms }, _body, context) => {
    const closing = [];
    opener.closing.set(number, closing);
    const setup = {
      storage: new BuiltInStorage(storage),
      agent: new BuiltInAgent(agent),
      terms: { ...terms, checkpoint: terms.checkpoint || null },
      onClose(end) {
        if (typeof end !== "function") throw invalid("end", `is ${kindOf(end)}; pass a function`);
        closing.push(end);
      },
    };
    return { value: { runtime: asRuntime(await opener.make(setup, context), "what open returned") } };
  },
  close: async (opener, { number }) => {
    const closing = opener.closing.get(number) ?? [];
    opener.closing.delete(number);
    for (const end of closing.reverse()) await end();
  },
};

function caseNames(suite) {
  return call("conformance.cases", () => ({ suite: text(suite, "suite") }));
}

module.exports = { ContractReport, caseNames, checkAgent, checkRuntime, checkStorage };

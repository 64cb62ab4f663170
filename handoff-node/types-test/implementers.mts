// Ports implemented as classes and as plain objects, with and without async. Compiled, never run.

import { Handoff, LocalRuntime, MemoryStorage, NotPermittedError } from "handoff-node";
import type { Agent, CallContext, Meta, Notify, Policy, Runtime, Session, Sessions, SessionSpec, Storage } from "handoff-node";
import { ContractReport, caseNames, checkAgent, checkRuntime, checkStorage } from "handoff-node/testing";
import type { ContractCase } from "handoff-node/testing";

class MyStorage implements Storage {
  #objects = new Map<string, Buffer>();
  putNew(key: string, body: Buffer): "created" | "exists" {
    if (this.#objects.has(key)) return "exists";
    this.#objects.set(key, body);
    return "created";
  }
  put(key: string, body: Buffer): void {
    this.#objects.set(key, body);
  }
  async putStream(key: string, body: AsyncIterable<Buffer>, { signal }: CallContext): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of body) parts.push(part);
    signal.throwIfAborted();
    this.#objects.set(key, Buffer.concat(parts));
  }
  async get(key: string, range?: { start: number; end: number }): Promise<Buffer | null> {
    return this.#objects.get(key)?.subarray(range?.start, range?.end) ?? null;
  }
  list(prefix: string, after: string | undefined, limit: number): Meta[] {
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(`${prefix}/`) && key > (after ?? ""));
    return keys.slice(0, limit).map((key) => ({ key, size: 1, modified: new Date() }));
  }
  delete(keys: readonly string[]): void {
    for (const key of keys) this.#objects.delete(key);
  }
}

const agent: Agent = {
  describe: () => ({ name: "echo", models: ["small"] }),
  async run(session: Session, { signal }) {
    for (const message of await session.messages({ limit: 10 })) console.log(message.role, message.text);
    await session.append([{ role: "assistant", text: session.prompt }, "and so on"]);
    await session.usage({ tokens: 3 });
    if (signal.aborted) return "cancelled";
    return { failed: (await session.block("which?")).text };
  },
};

const policy: Policy = {
  relation: (actor, run) => (actor === run.creator ? "creator" : "outsider"),
  async budget(actor) {
    if (actor === "eve") throw new NotPermittedError("eve has none");
    return { cents: 100 };
  },
};
const notify: Notify = { notify: ({ kind, run }) => console.log(kind, run.id) };

class Fleet implements Runtime {
  environment = (id: string) => ({ id, repos: [] });
  async start(spec: SessionSpec, sessions: Sessions): Promise<void> {
    const ended: string = await sessions.run(spec, { root: "place", deadline: new Date() }, agent);
    console.log(ended);
  }
  cancel(): void {}
}

new Handoff({ storage: new MyStorage(), runtime: new Fleet(), policy, notify });
console.log((await checkStorage(() => new MyStorage())).passed, new MemoryStorage().putNew("a", Buffer.alloc(1)));

const checking = checkRuntime(
  async ({ agent, storage, terms, onClose }) => {
    onClose(() => storage.close());
    return terms.poll === 20 ? new Fleet() : new LocalRuntime({ agent, root: "runs", environments: [{ id: "e" }] });
  },
  { environment: "e", patience: 1_000, cases: await caseNames("runtime"), onProgress: ({ clause }) => console.log(clause + 1) },
);
for await (const { name, failure } of checking) console.log(name, failure?.length);
const checked: ContractReport = await checkAgent(agent, { prompt: "hello", long: "wait", grace: 200 });
const failures: readonly ContractCase[] = checked.failures;
console.log(failures, await checkStorage(new MyStorage(), { patience: 5 }));

// Ports as somebody outside would implement them.

import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { HandoffError, NotFoundError } from "handoff-node";
import { MapStorage } from "./map-storage.mjs";

const exec = promisify(execFile);

/** The same storage, each answer of it later. */
export class AsyncStorage {
  inner = new MapStorage();
  async putNew(...given) { return this.inner.putNew(...given); }
  async put(...given) { return this.inner.put(...given); }
  async putStream(...given) { return this.inner.putStream(...given); }
  async get(...given) { return this.inner.get(...given); }
  async list(...given) { return this.inner.list(...given); }
  async delete(...given) { return this.inner.delete(...given); }
}

/** Says what it was asked; a prompt that begins with `wait` it thinks about until it is stopped. */
export class Echo {
  describe() {
    return { name: "echo" };
  }

  async run(session, { signal }) {
    if (session.prompt.startsWith("wait")) {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      return "cancelled";
    }
    await session.append(`You said: ${session.prompt}`);
  }
}

/** Sessions in this process, each in clones that git makes. */
export class CloneRuntime {
  started = new Map();

  constructor(agent, root, known) {
    Object.assign(this, { agent, root, known });
  }

  environment(id) {
    if (id !== this.known.id) throw new NotFoundError(`there is no environment ${id}`);
    return this.known;
  }

  async start(spec, sessions) {
    this.environment(spec.environment);
    if (this.started.has(spec.session)) return;
    const stop = new AbortController();
    this.started.set(spec.session, stop);
    this.go(spec, sessions, stop.signal).catch((error) => {
      // The run has the reason.
      if (!(error instanceof HandoffError)) throw error;
    });
  }

  async go(spec, sessions, signal) {
    let place;
    try {
      place = await this.place(spec);
    } catch (error) {
      return sessions.fail(spec, error.message);
    }
    return sessions.run(spec, place, this.agent, { signal });
  }

  async place(spec) {
    const root = path.join(this.root, spec.session);
    fs.mkdirSync(root, { recursive: true });
    const repos = [];
    for (const { name, source } of this.known.repos) {
      await exec("git", ["clone", "--quiet", source, name], { cwd: root });
      repos.push(path.join(root, name));
    }
    return { root, repos, variables: this.known.variables };
  }

  cancel(session) {
    this.started.get(session)?.abort();
  }
}

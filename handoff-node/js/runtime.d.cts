import type { Agent, CommandAgent } from "./agent.cjs";
import type { Operation, PathLike } from "./operation.cjs";
import type { Awaitable, CallContext, Storage } from "./storage.cjs";
import type { Notify } from "./notify.cjs";
import type { Policy } from "./policy.cjs";
import type { Terms } from "./handoff.cjs";

/** One repository of an {@link Environment}. */
export interface EnvironmentRepo {
  /** The directory it is checked out as. */
  name: string;
  /** Where it is cloned from: a URL or a path. */
  source: string;
  /** The branch, tag or commit that is checked out. Default: the source's own. */
  reference?: string;
}

/** A place where sessions can run. */
export interface Environment {
  /** Its id. */
  id: string;
  /** The repositories it checks out. */
  repos?: readonly EnvironmentRepo[];
  /** Models it can offer; absent means that it does not say. */
  models?: readonly string[];
  /** Variables set for the agent. */
  variables?: Readonly<Record<string, string>>;
}

/** What a runtime is asked to launch: plain data, for a queue or a request. */
export interface SessionSpec {
  /** The run. */
  readonly run: string;
  /** The session; a second start for the same one does nothing. */
  readonly session: string;
  /** Where it is to run. */
  readonly environment: string;
  /** The model it is pinned to. */
  readonly model?: string;
  readonly [field: string]: unknown;
}

/** Where and with whom {@link Sessions.run} goes on. */
export interface Place {
  /** The agent's working directory. */
  root: PathLike;
  /** The checkouts in it. */
  repos?: readonly PathLike[];
  /** Where files outside any repository go; absent means that they are not restored. */
  loose?: PathLike;
  /** Variables for the agent. */
  variables?: Readonly<Record<string, string>>;
  /** When this place will be taken away: a date, or milliseconds since 1970. */
  deadline?: Date | number;
}

/** Runs sessions in places that a runtime has prepared. */
export class Sessions {
  private constructor();
  /** Takes the run, restores its state, lets the agent answer, captures, records the end. Returns how it ended. */
  run(
    spec: SessionSpec,
    place: Place,
    agent: Agent | CommandAgent,
    options?: { signal?: AbortSignal },
  ): Operation<string>;
  /** Records that the session could not be given a place or an agent. */
  fail(spec: SessionSpec, reason: string): Operation<void>;
  /** Lets go of it; every later use throws. */
  close(): void;
}

/**
 * Where sessions run: a cloud, a queue, this machine. `start` is idempotent per session id and returns once the session
 * is certain to be launched; it does not wait for the session. `cancel` may be called for one that is not there.
 */
export interface Runtime {
  /** What `id` is. Throw a {@link NotFoundError} when there is no such environment. */
  environment(id: string, context: CallContext): Awaitable<Environment>;
  /** Launches a session. */
  start(spec: SessionSpec, sessions: Sessions, context: CallContext): Awaitable<void>;
  /** Something new waits for the session; a nudge that may be lost. */
  wake?(session: string, context: CallContext): Awaitable<void>;
  /** Takes the session's place away at once. */
  cancel(session: string, context: CallContext): Awaitable<void>;
}

/** Sessions on this machine, each in a fresh clone of its own. They end with the process. */
export class LocalRuntime {
  constructor(options: { agent: Agent | CommandAgent; root: PathLike; environments: readonly Environment[] });
  /** Lets go of it. */
  close(): void;
}

/** Sessions as items in a storage, taken by any number of workers: see {@link work}. */
export class QueueRuntime {
  constructor(options: { storage: Storage; name: string; environments: readonly Environment[] });
  /** Lets go of it. */
  close(): void;
}

/** How {@link work} goes about it. */
export interface WorkOptions {
  /** The queue. */
  queue: QueueRuntime;
  /** The storage of the hubs that put sessions into it. */
  storage: Storage;
  /** Who answers. */
  agent: Agent | CommandAgent;
  /** The directory below which each session gets its clones. */
  root: PathLike;
  /** The environments that this worker can prepare. */
  environments: readonly Environment[];
  /** Rules, as the hubs have them. */
  policy?: Policy;
  /** Who is told. */
  notify?: Notify;
  /** Times, as the hubs have them. */
  terms?: Terms;
  /** Milliseconds between two looks into the queue at most. Default 1,000. */
  poll?: number;
  /** Whether to wait for more when nothing is left. Default `wait`. */
  whenEmpty?: "wait" | "return";
  /** Aborting it stops the worker after the session at hand. */
  signal?: AbortSignal;
}

/** Takes sessions out of a queue and runs them, one at a time. Returns how many it ran. */
export function work(options: WorkOptions): Operation<number>;

import type { Agent, CommandAgent } from "./agent.cjs";
import type { Terms } from "./handoff.cjs";
import type { Control, Operation } from "./operation.cjs";
import type { LocalRuntime, QueueRuntime, Runtime } from "./runtime.cjs";
import type { Awaitable, CallContext, MemoryStorage, Storage } from "./storage.cjs";

/** One case of a contract. */
export interface ContractCase {
  /** Its name, which stays the same from version to version. */
  readonly name: string;
  /** The number of the contract's clause that it is about. */
  readonly clause: number;
  /** Why it failed; absent when it passed. */
  readonly failure?: string;
}

/** What checking an implementation against its contract found: whatever it did wrong, also what it threw. */
export class ContractReport {
  private constructor();
  /** Whether every case passed. */
  readonly passed: boolean;
  /** Every case that was run, in the order of the suite. */
  readonly cases: readonly ContractCase[];
  /** The cases that failed. */
  get failures(): readonly ContractCase[];
  /** For people: a line for each case. */
  toString(): string;
}

/** How a suite is run. Its events are the cases as they are done. */
export interface CheckOptions extends Control<ContractCase> {
  /** Milliseconds that one case may take, or in {@link checkRuntime} and {@link checkAgent} one step of it. */
  patience?: number;
  /** Names of the cases to run. Default: all of them. */
  cases?: readonly string[];
}

/** What an agent is asked by {@link checkAgent}. */
export interface CheckAgentOptions extends CheckOptions {
  /** What it answers, and ends well, within seconds and without being asked anything more. */
  prompt: string;
  /** What keeps it busy for minutes, unless it is stopped. */
  long: string;
  /** Milliseconds after which it must have returned when it was asked to stop. Default 10,000. */
  grace?: number;
}

/** Where sessions are run by {@link checkRuntime}. */
export interface CheckRuntimeOptions extends CheckOptions {
  /** An environment of the runtime with at least one repository and one variable. */
  environment: string;
}

/** What a runtime is opened with, for one case. */
export interface RuntimeSetup {
  /** The storage of the hub; workers of yours must use the same one. */
  readonly storage: Storage & Pick<MemoryStorage, "close">;
  /** The agent that must answer in every session. */
  readonly agent: Pick<CommandAgent, "close">;
  /** Times for workers of yours. */
  readonly terms: Terms;
  /** Has `end` called when the case is over; the last given is called first. */
  onClose(end: () => unknown): void;
}

/**
 * Checks a storage against the contract of {@link Storage}. Given a function, it opens the storage with that: over always
 * the same bytes, if it can with a connection of its own each time. Everything is written below `probe/` and deleted at
 * the end; some 6,000 requests and 60 MiB. `patience` is for one case. Default 120,000.
 *
 * @example
 * ```js
 * const report = await checkStorage(() => new MyStorage("bucket"));
 * assert.ok(report.passed, String(report));
 * ```
 */
export function checkStorage(
  storage: Storage | (() => Awaitable<Storage>),
  options?: CheckOptions,
): Operation<ContractReport, ContractCase>;

/**
 * Checks a runtime against the contract of {@link Runtime}: real sessions are run in it. `open` makes one for each case,
 * whose sessions use the setup's agent, and whose workers, if it has any, use the setup's storage. What `open` throws ends
 * the check, as the cause of a `RuntimeError`. `patience` is for anything that is to happen. Default 30,000.
 *
 * @example
 * ```js
 * const report = await checkRuntime(({ agent }) => new MyRuntime(agent), { environment: "env-1" });
 * assert.ok(report.passed, String(report));
 * ```
 */
export function checkRuntime(
  open: (setup: RuntimeSetup, context: CallContext) => Awaitable<Runtime | LocalRuntime | QueueRuntime>,
  options: CheckRuntimeOptions,
): Operation<ContractReport, ContractCase>;

/**
 * Checks an agent against the contract of {@link Agent}: each case is one turn or a few, some of them at once. `patience`
 * is for answering `prompt`. Default 45,000.
 *
 * @example
 * ```js
 * const report = await checkAgent(agent, { prompt: "say hello", long: "count to a million" });
 * assert.ok(report.passed, String(report));
 * ```
 */
export function checkAgent(
  agent: Agent | CommandAgent,
  options: CheckAgentOptions,
): Operation<ContractReport, ContractCase>;

/** The names of a suite's cases, for test frameworks that show each by itself. */
export function caseNames(suite: "storage" | "runtime" | "agent"): Operation<readonly string[]>;

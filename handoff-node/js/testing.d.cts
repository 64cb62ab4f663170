import type { Agent } from "./agent.cjs";
import type { Operation } from "./operation.cjs";
import type { Runtime } from "./runtime.cjs";
import type { Storage } from "./storage.cjs";

/** One case of a contract. */
export interface ContractCase {
  /** What it checks. */
  readonly name: string;
  /** The clause of the contract. */
  readonly clause: number;
  /** What went wrong; absent when it holds. */
  readonly failure?: string;
}

/** What checking an implementation against its contract found. */
export interface ContractReport {
  /** Whether every case holds. */
  readonly passed: boolean;
  /** Every case. */
  readonly cases: readonly ContractCase[];
  /** For people. */
  toString(): string;
}

/**
 * Checks a storage against the contract of {@link Storage}. `open` gives a storage over always the same bytes, if it can
 * with a connection of its own each time. Everything is written below `probe/` and deleted at the end; some 6,000 requests.
 *
 * @example
 * ```js
 * const report = await checkStorage(() => new MyStorage("bucket"));
 * assert.ok(report.passed, String(report));
 * ```
 */
export function checkStorage(open: Storage | (() => Storage)): Operation<ContractReport>;

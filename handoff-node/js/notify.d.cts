import type { Run } from "./run.cjs";
import type { Awaitable, CallContext } from "./storage.cjs";

/** What there is to tell. */
export interface Notice {
  /** That the run ended, or that it waits for an answer. */
  readonly kind: "ended" | "input_required" | (string & {});
  /** The run. */
  readonly run: Run;
}

/** Told at least once of each notice, after it is durable; it may come again after a crash. */
export interface Notify {
  /** Tells somebody. A failure is recorded and does not fail the run. */
  notify(notice: Notice, context: CallContext): Awaitable<void>;
}

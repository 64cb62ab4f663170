/** A path: text, bytes (for names that are not UTF-8), or a `file:` URL. */
export type PathLike = string | Uint8Array | URL;

/** How far an operation has come. */
export interface Progress {
  /** What is being done. */
  readonly phase: "scan" | "read" | "plan" | "write" | "verify" | "undo" | "bundle" | (string & {});
  /** Items finished in this phase. */
  readonly done: number;
  /** Items in this phase; 0 while unknown. */
  readonly total: number;
  /** Bytes of content handled in this phase. */
  readonly bytes: number;
  /** The path at hand, for people. */
  readonly path?: string;
}

/** How a caller stops an operation and follows it. */
export interface Control<E = Progress> {
  /**
   * Aborting it cancels the operation, which then rejects with the signal's `reason`, once the core has cleaned up. A
   * signal that is aborted already means that nothing starts.
   */
  signal?: AbortSignal;
  /**
   * Called with each event on this thread, at most about twenty times a second. What it throws cancels the operation
   * and is what the operation rejects with.
   */
  onProgress?: (event: E) => void;
}

/**
 * Something under way. It has begun already; await it for the result.
 *
 * - `await operation` gives the result, or throws a {@link HandoffError}.
 * - `for await (const event of operation)` gives progress as it comes, up to the end; await the operation after that for
 *   its result.
 * - `operation.cancel()` stops it; leaving the scope of `await using` does the same.
 *
 * @example
 * ```js
 * const operation = capture(workspace);
 * for await (const { phase, done, total } of operation) console.log(phase, done, total);
 * const snapshot = await operation;
 * ```
 */
export interface Operation<T, E = Progress> extends Promise<T>, AsyncIterable<E> {
  /**
   * Stops it. Resolves once everything is cleaned up, and never rejects; awaiting the operation itself then throws a
   * {@link CancelledError}, unless it was done already.
   */
  cancel(): Promise<void>;
  /** The end of an `await using` scope: as {@link Operation.cancel}. */
  [Symbol.asyncDispose](): Promise<void>;
}

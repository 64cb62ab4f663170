import type { Operation, PathLike } from "./operation.cjs";
import type { Snapshot } from "./snapshot.cjs";
import type { SnapshotRef } from "./run.cjs";

/** An answer that may be there already or come later. */
export type Awaitable<T> = T | PromiseLike<T>;

/** The last argument of every call of an implementer. */
export interface CallContext {
  /** Aborted when the answer is no longer wanted. */
  readonly signal: AbortSignal;
}

/** One object in a list. */
export interface Meta {
  /** Its name. */
  readonly key: string;
  /** Its length in bytes. */
  readonly size: number;
  /** When it was written, by the storage's own clock: a date, or milliseconds since 1970. */
  readonly modified: Date | number;
}

/**
 * Where bytes live, under keys. Implement it for wherever yours do: methods may be async or not, on a plain object or on
 * a class with private fields. `checkStorage` of `handoff-node/testing` checks an implementation against the contract:
 *
 * 1. `putNew` is atomic and durable: of any number of concurrent calls for one key, in any number of processes, exactly
 *    one returns `created`, and its body is what every later `get` returns, whole.
 * 2. After a write returned, `get` and `list` of anybody see it.
 * 3. `list` is sorted by key as bytes, starts after `after`, has at most `limit` items.
 * 4. `get` never returns a part of what was written, except the range asked for, cut at the end of the body.
 * 5. `put` replaces whole bodies. 6. `putStream` stores all of the stream or nothing. 7. Deleting what is absent is fine.
 *
 * Throw a {@link StorageError} with `retryable: true` for what may go away by itself.
 */
export interface Storage {
  /** Creates an object that must not exist. */
  putNew(key: string, body: Buffer, context: CallContext): Awaitable<"created" | "exists">;
  /** Creates or replaces an object. Only for hints and heartbeats. */
  put(key: string, body: Buffer, context: CallContext): Awaitable<void>;
  /** Creates an object of any size under a name that nobody else uses. The body can be read once. */
  putStream(key: string, body: AsyncIterable<Buffer>, context: CallContext): Awaitable<void>;
  /** An object's body, or the part of it from `start` up to `end`; `null` when there is no such object. */
  get(
    key: string,
    range: { readonly start: number; readonly end: number } | undefined,
    context: CallContext,
  ): Awaitable<Uint8Array | null | undefined>;
  /** Objects whose keys are below `prefix`, sorted. */
  list(prefix: string, after: string | undefined, limit: number, context: CallContext): Awaitable<readonly Meta[]>;
  /** Deletes objects; absent ones are fine. */
  delete(keys: readonly string[], context: CallContext): Awaitable<void>;
  /** A URL with which somebody without credentials can do one thing for so many milliseconds. */
  presign?(
    key: string,
    access: "get" | "put_new",
    ttl: number,
    context: CallContext,
  ): Awaitable<string | null | undefined>;
}

/** A storage of this package, which can be used directly too. */
declare abstract class BuiltInStorage implements Storage {
  putNew(key: string, body: Uint8Array): Operation<"created" | "exists">;
  put(key: string, body: Uint8Array): Operation<void>;
  /** As `put`, of a body in pieces, which are gathered in memory; one that fails stores nothing. */
  putStream(key: string, body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Operation<void>;
  get(key: string, range?: { readonly start: number; readonly end: number }): Operation<Buffer | null>;
  list(prefix: string, after?: string, limit?: number): Operation<readonly Meta[]>;
  delete(keys: readonly string[]): Operation<void>;
  /** Lets go of it. */
  close(): void;
}

/** Everything in memory; for tests, and for what ends with the process. */
export class MemoryStorage extends BuiltInStorage {
  constructor();
}

/**
 * Plain files below a directory: no lock, safe across processes and languages. Begin with this one. `durability` says
 * whether what was written survives a power cut (`full`, the default) or a crash of the process; a directory on a network
 * file system is refused unless `network` is `allow`.
 */
export class DirStorage extends BuiltInStorage {
  constructor(directory: PathLike, options?: { durability?: "full" | "process"; network?: "refuse" | "allow" });
}

/** What {@link Snapshots.save} did. */
export interface Stored {
  /** Where it is. */
  readonly reference: SnapshotRef;
  /** Contents that were stored by this call. */
  readonly newBlobs: number;
  /** Bytes of them as stored. */
  readonly newBytes: number;
  /** Contents that the parent had already. */
  readonly sharedBlobs: number;
}

/** Workspace states in a storage. */
export class Snapshots {
  constructor(storage: Storage);
  /** Stores a state; with a parent, only what is new is stored. */
  save(snapshot: Snapshot, options?: { parent?: SnapshotRef }): Operation<Stored>;
  /** Loads a state with all its contents, each checked. @throws {NotFoundError} {@link BlobMissingError} */
  load(reference: SnapshotRef): Operation<Snapshot>;
  /** Lets go of it. */
  close(): void;
}

// Only what says `export` is exported.
export {};

import type { Control, Operation, PathLike } from "./operation.cjs";

/** A file in one of git's three layers. */
export interface FileState {
  /** The SHA-256 of the content, which is then in the snapshot. */
  readonly blob?: string;
  /** How the line endings relate to what git would check out. */
  readonly eol?: "native" | "verbatim" | (string & {});
  /** What kind of file. */
  readonly mode: "regular" | "executable" | "symlink" | "gitlink" | (string & {});
  /** Git's id of the normalised content. */
  readonly oid?: string;
  /** Bytes of the content as it is in this layer. */
  readonly size: number;
}

/** What is special about an entry; each is absent in an ordinary one. */
export interface EntryFlags {
  /** Rules for secrets that the caller set aside for it. */
  readonly allowedSecrets?: readonly string[];
  /** The index says to assume it unchanged, though it is not. */
  readonly assumeUnchanged?: boolean;
  /** Some tool runs this file by itself. */
  readonly autoRun?: boolean;
  /** An empty directory. */
  readonly emptyDir?: boolean;
  /** Ignored by git at the source, and asked for. */
  readonly ignored?: boolean;
  /** Staged without content (`git add -N`). */
  readonly intentToAdd?: boolean;
  /** The attribute whose filter was not run. */
  readonly raw?: string;
  /** The index says to skip it in the work tree, though it is there. */
  readonly skipWorktree?: boolean;
  /** Stages of a conflict in the index. */
  readonly stages?: readonly { readonly stage: number; readonly state: FileState }[];
  /** It was never quiet for long enough; the content may be torn. */
  readonly unstable?: boolean;
  /** Neither committed nor staged. */
  readonly untracked?: boolean;
}

/** One changed path that is carried. */
export interface Entry {
  /** The repository's name; empty for files outside any. */
  readonly repo: string;
  /** The path, with invalid UTF-8 replaced. */
  readonly path: string;
  /** Its exact bytes. */
  readonly pathBytes: Buffer;
  /** As committed. */
  readonly head?: FileState;
  /** As staged. */
  readonly index?: FileState;
  /** As it is on disk. */
  readonly worktree?: FileState;
  /** What is special about it. */
  readonly flags: EntryFlags;
}

/** A changed path, or a directory full of them, that is not carried. */
export interface Omission {
  /** The repository's name; empty for files outside any. */
  readonly repo: string;
  /** The path; a directory ends in `/`. */
  readonly path: string;
  /** Its exact bytes. */
  readonly pathBytes: Buffer;
  /** Why, in one stable word, such as `too_large`, `secret_name` or `excluded`. */
  readonly reason: string;
  /** The rule that decided, where several could. */
  readonly rule?: string;
  /** The line of the first secret, from 1. */
  readonly line?: number;
  /** How many files this stands for, when it is a directory. */
  readonly count?: number;
  /** Bytes not carried, where known. */
  readonly size?: number;
}

/** Which of git's three layers of a path. */
export type Layer = "head" | "index" | "worktree";

/** One changed path between two snapshots. */
export interface Change {
  /** The path. */
  readonly path: string;
  /** Its exact bytes. */
  readonly pathBytes: Buffer;
  /** What happened to it. */
  readonly kind: "created" | "deleted" | "modified" | "type_changed" | (string & {});
  /** The file before. */
  readonly old?: FileState;
  /** The file after. */
  readonly new?: FileState;
}

/** What changed in one repository between two snapshots. */
export interface RepoDiff {
  /** The repository's name; empty for the files outside any. */
  readonly repo: string;
  /** Changed paths, in order. */
  readonly changes: readonly Change[];
  /** Paths that one side did not capture, so that nothing can be said of them. */
  readonly unknown: readonly string[];
  /** Whether HEAD is the same commit on both sides. */
  readonly sameHead: boolean;
}

/** What changed between two snapshots. */
export interface SnapshotDiff {
  /** One per repository that differs. */
  readonly repos: readonly RepoDiff[];
  /** As a unified diff, in bytes, as `git apply` takes it. */
  readonly unified: Buffer;
  /** The unified diff as text, with invalid UTF-8 replaced. */
  toString(): string;
}

/** The manifest as it is in the file: the names and words of the published format. */
export interface Manifest {
  /** The format and its version. */
  readonly format: string;
  /** One per repository. */
  readonly repos: readonly Readonly<Record<string, unknown>>[];
  /** Why the capture ended early; absent when it did not. */
  readonly partial?: "deadline" | "cancelled" | (string & {});
  readonly [field: string]: unknown;
}

/**
 * An immutable state of a workspace. The same state has the same {@link Snapshot.id}, on every machine.
 */
export class Snapshot {
  private constructor();
  /** Opens a `.handoff` file and checks its manifest; contents are checked when they are read. */
  static open(path: PathLike, options?: Control): Operation<Snapshot>;
  /** Reads a whole bundle from bytes and checks all of it. */
  static fromBytes(bytes: Uint8Array, options?: Control): Operation<Snapshot>;
  /** SHA-256 of the canonical manifest. */
  readonly id: string;
  /** Everything it says, without the contents, as in the file. Read when it is first asked for, as are the two below. */
  readonly manifest: Manifest;
  /** Every carried path, in the order of repositories and paths; files outside any come last. */
  readonly entries: readonly Entry[];
  /** Every changed path that is not carried, with the reason. */
  readonly omissions: readonly Omission[];
  /** Why the capture ended early; absent in a whole one. */
  readonly partial?: "deadline" | "cancelled" | (string & {});
  /**
   * The content of one file, checked; `null` when the snapshot does not carry it in that layer.
   *
   * @throws {CorruptError} {@link BlobMissingError} {@link IoError}
   */
  read(repo: string, path: string | Uint8Array, layer?: Layer): Operation<Buffer | null>;
  /** What changed from this one to a newer one. */
  diff(newer: Snapshot): Operation<SnapshotDiff>;
  /** What it changes against what is committed. */
  diffBase(): Operation<SnapshotDiff>;
  /** What is new in it since `base`, as a snapshot of its own. */
  since(base: Snapshot): Operation<Snapshot>;
  /** Writes it to one file, by convention `*.handoff`, in one step and to the disk. */
  save(path: PathLike, options?: Control): Operation<void>;
  /** The bundle as bytes. Holds it in memory: {@link Snapshot.save} does not. */
  toBytes(): Operation<Buffer>;
  /** Reads every content and checks it. */
  verify(options?: Control): Operation<void>;
  /** What it says, as plain data. */
  toJSON(): { readonly id: string; readonly manifest: Manifest };
  /** Lets go of it and its temporary file; every later use throws. */
  close(): void;
}

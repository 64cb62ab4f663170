import type { Control, Operation } from "./operation.cjs";
import type { Snapshot } from "./snapshot.cjs";
import type { Workspace } from "./workspace.cjs";

/** How to apply. */
export interface ApplyOptions extends Control {
  /**
   * What to do where the target disagrees: leave it and keep the incoming version beside it, write conflict markers, or
   * take the snapshot's. Default `keep`.
   */
  onConflict?: "keep" | "markers" | "theirs";
  /** Whether staged state is restored where the target's index allows. Default `restore`. */
  staging?: "restore" | "leave";
  /**
   * What becomes of the source's unpushed commits: nothing, they become available by their ids, or a checkout without
   * changes is put on the snapshot's branch too. Default `leave`.
   */
  history?: "leave" | "objects" | "branch";
  /** Whether it survives a power cut, or only a crash of the process. Default `full`. */
  durability?: "full" | "process";
  /** Whether symlinks may point out of the work tree. Default `inside`. */
  symlinks?: "inside" | "anywhere";
  /** Snapshot repository name to workspace repository name; overrides matching by identity. */
  map?: Readonly<Record<string, string>>;
}

/** What happened to a path. */
export type Outcome =
  | "unchanged"
  | "applied"
  | "merged"
  | "conflict"
  | "skipped"
  | "failed"
  | "not_captured"
  | (string & {});

/** One path's fate. */
export interface FileReport {
  /** The repository's name; empty for files outside any. */
  readonly repo: string;
  /** The path in the snapshot, with invalid UTF-8 replaced. */
  readonly path: string;
  /** Its exact bytes. */
  readonly pathBytes: Buffer;
  /** What happened. */
  readonly outcome: Outcome;
  /** What exactly: for `applied` created, modified, deleted, mode or type; for `conflict` its kind. */
  readonly detail?: string;
  /** Why, for `skipped`, `failed` and `not_captured`: a stable word. */
  readonly reason?: string;
  /** The operating system's words for `failed`, or more about a reason. */
  readonly message?: string;
  /** Where the change landed, when the target has renamed the path. */
  readonly at?: string;
  /** Where the incoming version was kept, when it was not put in place. */
  readonly incoming?: string;
  /** SHA-256 of what is on disk afterwards. */
  readonly hash?: string;
  /** Some tool runs this file by itself, so a host may want to ask first. */
  readonly autoRun: boolean;
  /** Things worth knowing, in stable words. */
  readonly notes: readonly string[];
}

/** What became of the commits that the source had not pushed. */
export interface HistoryReport {
  /** What became of them. */
  readonly outcome: "not_asked" | "present" | "stored" | "moved" | "not_captured" | "failed" | (string & {});
  /** How many there are. */
  readonly commits: number;
  /** The branch that the checkout was put on. */
  readonly branch?: string;
  /** Why they are not where they were asked to be: a stable word. */
  readonly reason?: string;
  /** More about the reason, for people. */
  readonly message?: string;
}

/** What happened in one repository. */
export interface RepoReport {
  /** The repository's name in the snapshot. */
  readonly name: string;
  /** The target's work tree; absent when no repository here matches. */
  readonly target?: string;
  /** How the target's history relates to the snapshot's. */
  readonly drift: {
    readonly kind: string;
    readonly ahead?: number;
    readonly behind?: number;
    readonly remedy?: string;
    readonly source?: string;
    readonly target?: string;
  };
  /** One per path of the repository's manifest. */
  readonly files: readonly FileReport[];
  /** Things to know about the repository as a whole. */
  readonly findings: readonly { readonly kind: string; readonly message: string }[];
  /** What became of the source's unpushed commits; absent where there were none. */
  readonly history?: HistoryReport;
  /** What became of the staged state. */
  readonly staging: { readonly restored: number; readonly left?: Readonly<Record<string, number>> };
}

/** The full record of one apply, preview or undo: every path of the snapshot, once. */
export class ApplyReport {
  private constructor();
  /** What was done. */
  readonly action: "apply" | "preview" | "undo" | (string & {});
  /** Names the apply for {@link undo}; absent in a preview and where nothing was written. */
  readonly applyId?: string;
  /** The snapshot's id. */
  readonly snapshot: string;
  /** All of it in one word. */
  readonly verdict: "complete" | "partial" | "nothing_applied" | (string & {});
  /** One per repository of the snapshot. */
  readonly repos: readonly RepoReport[];
  /** What happened to files outside any repository; absent where the snapshot has none. */
  readonly loose?: {
    /** The directory below which they are. */
    readonly target?: string;
    /** One for each. */
    readonly files: readonly FileReport[];
    /** Things to know about all of them. */
    readonly findings: readonly { readonly kind: string; readonly message: string }[];
  };
  /** Every path, over all repositories; files outside any come last. */
  readonly files: readonly FileReport[];
  /** How many paths ended so. */
  count(outcome: Outcome): number;
  /** A bounded text for an agent or a person. */
  toString(): string;
  /** Everything, with the names and words of the published format. */
  toJSON(): Readonly<Record<string, unknown>>;
}

/** Says what {@link apply} would do, and writes nothing. */
export function preview(snapshot: Snapshot, workspace: Workspace, options?: ApplyOptions): Operation<ApplyReport>;

/**
 * Applies a snapshot, path by path: what the target has not touched becomes what the snapshot says, what both have
 * changed is merged or left alone as a conflict. HEAD and branches are only touched for `history: "branch"`, stashes never,
 * and what is replaced is kept for {@link undo}.
 *
 * @throws {BusyError} {@link IoError} {@link FormatError} {@link CancelledError}
 * @example
 * ```js
 * const report = await apply(await Snapshot.open("work.handoff"), await Workspace.open("app"));
 * for (const { path, outcome } of report.files) console.log(outcome, path);
 * ```
 */
export function apply(snapshot: Snapshot, workspace: Workspace, options?: ApplyOptions): Operation<ApplyReport>;

/**
 * Puts back what an apply replaced, where it was not edited since.
 *
 * @throws {UnknownApplyError} {@link BusyError} {@link IoError}
 */
export function undo(workspace: Workspace, applyId: string, options?: Control): Operation<ApplyReport>;

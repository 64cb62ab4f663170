import type { Control, Operation, PathLike } from "./operation.cjs";
import type { Omission, Snapshot } from "./snapshot.cjs";
import type { SecretFinding } from "./secrets.cjs";
import type { Awaitable, CallContext } from "./storage.cjs";
import type { Workspace } from "./workspace.cjs";

/** A secret that may travel all the same, by its exact path and rule, as the omission names them. */
export interface AllowSecret {
  /** The repository's name, empty for files outside any; absent for all of the workspace. */
  repo?: string;
  /** The file, exactly. */
  path: string | Uint8Array;
  /** The rule, exactly: {@link Omission.rule}. */
  rule: string;
}

/**
 * A search for secrets in contents, beside the built-in ones. One that fails finds a secret in everything that it was given:
 * nothing travels unsearched.
 */
export interface SecretScanner {
  /** What is found in `content`, a piece of a file. */
  scan(content: Buffer, context: CallContext): Awaitable<readonly SecretFinding[]>;
}

/** A caller's changes to the rules for secrets. There is no switch for all of them. */
export interface SecretRules {
  /** Patterns in gitignore syntax of further names that stay at home. */
  names?: readonly string[];
  /** Further searches in contents. */
  scanners?: readonly SecretScanner[];
  /** Ids of rules that are not to be applied. */
  disabled?: readonly string[];
}

/** What to capture, and how much of it. */
export interface CaptureOptions extends Control {
  /** Largest file carried, in bytes; larger ones are omitted with a reason. Default 100 MiB. */
  maxFileBytes?: number;
  /** Most content carried, in bytes, before compression. Default 1 GiB. */
  maxTotalBytes?: number;
  /** Most entries per snapshot. Default 50,000. */
  maxEntries?: number;
  /** Patterns in gitignore syntax of changed paths to leave out; each is listed as an omission. */
  exclude?: readonly string[];
  /** Secrets that may travel all the same. */
  allowSecrets?: readonly AllowSecret[];
  /** Rules for secrets beside the built-in ones, and without some of those. */
  secretRules?: SecretRules;
  /** Patterns in gitignore syntax of ignored files to carry. */
  includeIgnored?: readonly string[];
  /** Whether each work tree's `.worktreeinclude` counts like {@link CaptureOptions.includeIgnored}. Default true. */
  worktreeInclude?: boolean;
  /** Whether ignored files that are not carried are listed as omissions. Default false. */
  listIgnored?: boolean;
  /** Whether directories with nothing in them travel. Default true. */
  emptyDirs?: boolean;
  /** Whether contents of HEAD travel for changed files, so that a target without them can merge. Default `always`. */
  bases?: "always" | "never";
  /**
   * Whether the commits that no remote has travel. Default `auto`: they do, where there is a remote to go by, and else
   * the manifest says so. `all`: every commit that HEAD has.
   */
  history?: "all" | "auto" | "never";
  /** Most such commits; with more, none are carried, and the manifest says so. Default 10,000. */
  maxHistoryCommits?: number;
  /** Most bytes that they may take. Default 64 MiB. */
  maxHistoryBytes?: number;
  /** Milliseconds after which the capture ends with what it has, marked partial. Default none. */
  deadline?: number;
  /** What cancelling leaves: nothing, or what was read so far. Default `fail`. */
  onCancel?: "fail" | "partial";
  /** Milliseconds that nobody may have written to a file before it is read. Default 50. */
  quiet?: number;
  /** Times a file that keeps changing is read. Default 4. */
  attempts?: number;
  /** Content kept in memory before it goes to a temporary file, in bytes. Default 32 MiB. */
  spoolMemory?: number;
  /** Directory in whose file system that file is. */
  spoolDir?: PathLike;
}

/** One path of a {@link CapturePlan}. */
export interface PlannedFile {
  /** The path, with invalid UTF-8 replaced. */
  readonly path: string;
  /** Its exact bytes. */
  readonly pathBytes: Buffer;
  /** What happened to it. */
  readonly change: "untracked" | "ignored" | "empty_directory" | "modified" | "deleted" | (string & {});
  /** Bytes of content that would be read; 0 for deletions. */
  readonly bytes: number;
}

/** The unpushed commits of a {@link RepoPlan}. */
export interface PlannedHistory {
  /** How many there are; at least so many where counting was given up, 0 where it was not begun. */
  readonly commits: number;
  /** Why none of them would travel, if that is known before they are read. Reading them may tell other reasons. */
  readonly leftOut?: "no_remote" | "too_many_commits" | "unreadable" | (string & {});
}

/** One repository of a {@link CapturePlan}. */
export interface RepoPlan {
  /** The repository's name. */
  readonly name: string;
  /** Paths that look changed. A path may turn out unchanged once it is read. */
  readonly files: readonly PlannedFile[];
  /** Changed paths that would be left out. */
  readonly omissions: readonly Omission[];
  /** Unpushed commits; absent where there are none, or nobody wants them. */
  readonly history?: PlannedHistory;
  /** Why this repository cannot be captured. */
  readonly failed?: { readonly kind: string; readonly message: string };
}

/** What a capture would carry, found without reading any content; for consent. */
export interface CapturePlan {
  /** One per repository, in order of name. */
  readonly repos: readonly RepoPlan[];
  /** Files outside any repository. */
  readonly looseFiles: readonly PlannedFile[];
  /** Files outside any repository that would be left out. */
  readonly looseOmissions: readonly Omission[];
}

/**
 * Lists what {@link capture} would carry, with sizes, before any content is read. Touches nothing.
 *
 * @example
 * ```js
 * const { repos } = await plan(workspace);
 * for (const { name, files } of repos) console.log(name, files.length, "changed");
 * ```
 */
export function plan(workspace: Workspace, options?: CaptureOptions): Operation<CapturePlan>;

/**
 * Takes the uncommitted state of a workspace. Changes nothing in it, runs no program, takes no lock. A repository or file
 * that cannot be read is listed in the snapshot, and the rest is captured.
 *
 * @throws {CancelledError} {@link LimitError} {@link IoError} {@link InvalidArgumentError}
 * @example
 * ```js
 * const snapshot = await capture(workspace, { exclude: ["*.log"], signal: AbortSignal.timeout(60_000) });
 * ```
 */
export function capture(workspace: Workspace, options?: CaptureOptions): Operation<Snapshot>;

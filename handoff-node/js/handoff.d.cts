import type { ApplyOptions, ApplyReport } from "./apply.cjs";
import type { ConversationHead, Conversations, ForkPoint, Message, NewMessage } from "./conversation.cjs";
import type { HandoffError } from "./errors.cjs";
import type { Notify } from "./notify.cjs";
import type { Operation } from "./operation.cjs";
import type { Policy } from "./policy.cjs";
import type { Budget, Origin, Run, SnapshotRef } from "./run.cjs";
import type { LocalRuntime, QueueRuntime, Runtime } from "./runtime.cjs";
import type { Snapshot } from "./snapshot.cjs";
import type { Snapshots, Storage } from "./storage.cjs";
import type { Workspace } from "./workspace.cjs";

/** Times that a host may tune, in milliseconds. */
export interface Terms {
  /** How long a session may be silent before another may take its run. Default 90,000. */
  lease?: number;
  /** Time between automatic checkpoints; `null` for none. Default 300,000. */
  checkpoint?: number | null;
  /** How long an agent may go on after it was asked to stop. Default 10,000. */
  grace?: number;
  /** Longest time between two looks of `watch`, `wait` and an inbox. Default 1,000. */
  poll?: number;
  /** How long before a place's deadline its session stops. Default 60,000. */
  reserve?: number;
}

/** What a {@link Handoff} is made of. */
export interface HandoffOptions {
  /** Where everything is stored. */
  storage: Storage;
  /** Where sessions run. */
  runtime: Runtime | LocalRuntime | QueueRuntime;
  /** Who may do what. Default: everybody is who they say, and only the creator of a run may touch it. */
  policy?: Policy;
  /** Who is told when a run ends or waits for an answer. */
  notify?: Notify;
  /** Other times. */
  terms?: Terms;
}

/** A named content that comes with a prompt. */
export interface PromptAttachment {
  /** Its name as people know it. */
  name: string;
  /** Such as `image/png`. */
  mediaType?: string;
  /** The content. */
  content: Uint8Array | string;
}

/** The conversation a run is started from, which is never written: a stored one, or the messages themselves. */
export type ConversationSource =
  | string
  | { readonly id: string; readonly at?: ForkPoint; readonly messages?: number }
  | readonly (string | NewMessage | Message)[];

/** What to start. */
export interface StartOptions {
  /** Who starts it. */
  actor: string;
  /** Where it runs. */
  environment: string;
  /** What the agent is asked. May be left out only when there is a conversation or a workspace to go on with. */
  prompt?: string;
  /** Named contents that come with the prompt. */
  attachments?: readonly PromptAttachment[];
  /** The conversation it is forked from. */
  conversation?: ConversationSource;
  /** The workspace state it begins with. A workspace is captured first. */
  workspace?: Workspace | Snapshot | SnapshotRef;
  /** How it begins. Default `cloud`; `local_to_cloud` for work handed off from a person's machine. */
  origin?: Origin;
  /** The schedule, issue or the like it comes from. */
  source?: string;
  /** What it is about. Default: the prompt's first line. */
  task?: string;
  /** The team it belongs to. */
  team?: string;
  /** The model to pin. */
  model?: string;
  /** What it may use. */
  budget?: Budget;
  /** The run that starts it. */
  parent?: string;
  /** Makes a repeated call return the first result. */
  idempotencyKey?: string;
  /** Cancels the call, not the run. */
  signal?: AbortSignal;
}

/** A run that was started. */
export interface Started {
  /** The run's id. */
  readonly run: string;
  /** Its first session's id. */
  readonly session: string;
  /** Its conversation's; absent when there was no consent to store one. */
  readonly conversation?: string;
}

/** What to say to a run. */
export interface ContinueOptions {
  /** Who says it. */
  actor: string;
  /** What; must not be empty. */
  prompt: string;
  /** Named contents that come with it. */
  attachments?: readonly PromptAttachment[];
  /** The model expected; another than the pinned one is refused. */
  model?: string;
  /** Makes a repeated call return the first result. */
  idempotencyKey?: string;
  /** Cancels the call, not the run. */
  signal?: AbortSignal;
}

/** Where a follow-up went: to the live session, to the prompt of one that has not begun, or into a new session. */
export interface Continued {
  /** Where. */
  readonly went: "delivered" | "appended" | "new_session" | (string & {});
  /** The session. */
  readonly session: string;
  /** For a new session: whether there is a workspace state to restore. */
  readonly workspace?: boolean;
}

/** How far a watcher has come; plain data to keep, and to go on with later or elsewhere. */
export interface Cursor {
  /** Messages seen. */
  readonly messages: number;
  /** Run records seen. */
  readonly records: number;
}

/** Something that happened in a run, with the cursor to go on after it. */
export type RunEvent =
  | { readonly kind: "message"; readonly index: number; readonly message: Message; readonly cursor: Cursor }
  | { readonly kind: "run"; readonly run: Run; readonly cursor: Cursor };

/** What came home. */
export interface Pulled {
  /** A fork of the run's conversation, owned by who asked; absent in a preview. */
  readonly conversation?: ConversationHead;
  /** What was merged: the run's changes since it began. */
  readonly snapshot?: Snapshot;
  /** What became of each file. */
  readonly report?: ApplyReport;
  /** Why there was no state, in one word. */
  readonly nothing?: string;
}

/** The one thing to offer a person for a run. An action that could only fail is never offered. */
export type Affordance =
  | { readonly action: "respond"; readonly question: string }
  | { readonly action: "follow_up" }
  | { readonly action: "continue"; readonly label: string }
  | { readonly action: "continue_locally" }
  | { readonly action: "watch" }
  | { readonly action: "unavailable"; readonly reason: string };

/** One page of runs, newest first. */
export interface RunPage {
  /** The runs. There may be fewer than asked for before the end. */
  readonly runs: readonly Run[];
  /** Pass it as `after` for the next page; absent at the end. */
  readonly next?: string;
}

/** How {@link Handoff.collect} takes garbage away. */
export interface CollectOptions {
  /** Milliseconds that something must be old to be garbage, and stays condemned. Default and least: a day. */
  grace?: number;
  /** Milliseconds after which a repeated idempotency key is a new call. Default 7 days, least `grace`. */
  claims?: number;
  /** Stored states to keep although no run names them. */
  keep?: readonly SnapshotRef[];
  /** `preview` only says what would be done. Default `remove`. */
  action?: "remove" | "preview";
  /** Stops it between two requests; what was removed by then stays removed. */
  signal?: AbortSignal;
}

/** An object of a storage that nothing needs. */
export interface Garbage {
  /** Its name in the storage. */
  readonly key: string;
  /** What it is. */
  readonly kind: "snapshot" | "pack" | "attachment" | "claim" | "probe" | (string & {});
  /** Its length in bytes. */
  readonly size: number;
}

/** What a collection did, or would do. */
export interface Collected {
  /** Removed now. */
  readonly removed: readonly Garbage[];
  /** Unreachable, and to be removed by a later call if it still is then. */
  readonly condemned: readonly Garbage[];
  /** Objects that were looked at and are needed, or too young to judge. */
  readonly kept: number;
  /** Records that cannot be read: what they need is not known, so nothing was removed and nothing condemned. */
  readonly unreadable: readonly string[];
  /** When set, nothing was looked at, since the last call is not old enough: milliseconds after which to call again. */
  readonly wait?: number;
}

/**
 * The life of runs, over a storage and a runtime. Any number of hubs in any number of processes may share one storage.
 *
 * @example
 * ```js
 * const hub = new Handoff({
 *   storage: new DirStorage(".handoff-store"),
 *   runtime: new LocalRuntime({ agent, root: "runs", environments: [{ id: "env-1", repos: [{ name: "app", source: "app" }] }] }),
 * });
 * const { run } = await hub.start({ actor: "ana", environment: "env-1", prompt: "finish it", workspace });
 * for await (const event of hub.watch(run, { actor: "ana" })) console.log(event.kind);
 * ```
 */
export class Handoff {
  constructor(options: HandoffOptions);
  /** The stored conversations. */
  readonly conversations: Conversations;
  /** The stored workspace states. */
  readonly snapshots: Snapshots;
  /**
   * Starts a run. Refusals come before anything moves.
   *
   * @throws {InvalidArgumentError} {@link NotFoundError} {@link UnsyncedError} {@link ModelError}
   *   {@link EnvironmentMismatchError} {@link BudgetExhaustedError} {@link NotPermittedError} {@link StorageError}
   *   {@link RuntimeError}
   */
  start(options: StartOptions): Operation<Started>;
  /** Starts one run for each prompt, all from one conversation and one snapshot. One result for each, in order: where one
   * could not be started, why. */
  fanOut(
    options: Omit<StartOptions, "prompt"> & { prompts: readonly string[] },
  ): Operation<readonly (Started | { readonly run?: undefined; readonly error: HandoffError })[]>;
  /** Says something more to a run, wherever that goes. @throws {NotContinuableError} with the reason */
  continue(run: string, options: ContinueOptions): Operation<Continued>;
  /** Answers the question that a run waits on. @throws {WrongStateError} when it waits on none */
  answer(run: string, options: ContinueOptions): Operation<{ readonly session: string }>;
  /** Asks a run to stop. Cancelling an ended run does nothing. */
  cancel(run: string, options: { actor: string }): Operation<void>;
  /**
   * Deletes a run that has ended; from then on there is none, for anybody. Its conversation stays, as do the workspace
   * states that something else names; the rest is taken by the next collections. @throws {WrongStateError} when it has
   * not ended
   */
  deleteRun(run: string, options: { actor: string }): Operation<void>;
  /**
   * Takes garbage out of the storage: whatever no run and no conversation reaches. One call is one pass, which removes
   * what an earlier one condemned and condemns what it finds; call it once a day, beside anything else.
   */
  collect(options?: CollectOptions): Operation<Collected>;
  /**
   * Follows a run: every message and every record once, in order, up to its end. Go on later with the `cursor` of the
   * last event.
   */
  watch(run: string, options: { actor: string; cursor?: Cursor; signal?: AbortSignal }): AsyncIterableIterator<RunEvent>;
  /** Waits until a run has ended or is blocked. @throws {TimedOutError} after `deadline` milliseconds */
  wait(run: string, options: { actor: string; deadline?: number; signal?: AbortSignal }): Operation<Run>;
  /** Merges a run's latest state into a workspace three-way, and forks its conversation into one of the actor's own. */
  pull(
    run: string,
    workspace: Workspace,
    options: { actor: string; action?: "apply" | "preview" } & ApplyOptions,
  ): Operation<Pulled>;
  /** The latest workspace state of a run, to review; `null` when there is none. */
  result(run: string, options: { actor: string }): Operation<Snapshot | null>;
  /** One run as `actor` may see it. @throws {NotFoundError} */
  run(run: string, options: { actor: string }): Operation<Run>;
  /** One page of runs, newest first. */
  listRuns(options: {
    actor: string;
    team?: string;
    parent?: string;
    limit?: number;
    after?: string;
  }): Operation<RunPage>;
  /** What `actor` can do with a run right now. */
  affordance(run: string, options: { actor: string }): Operation<Affordance>;
  /** Lets go of it. Sessions under way on this machine go on. */
  close(): void;
}

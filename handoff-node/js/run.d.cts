/** Amounts by unit, which is the host's own: tokens, cents, seconds. */
export type Usage = Readonly<Record<string, number>>;
/** The most that may be used, by unit; a unit that is not named is not limited. */
export type Budget = Readonly<Record<string, number>>;

/** A stored workspace state: which, and where its record is. */
export interface SnapshotRef {
  /** The state's own id. */
  readonly id: string;
  /** The key of the stored record. */
  readonly key: string;
}

/** Where a run stands. */
export type RunState =
  | "queued"
  | "running"
  | "blocked"
  | "succeeded"
  | "failed"
  | "cancelled"
  | "budget_exhausted"
  | (string & {});

/** How a run began. */
export type Origin = "cloud" | "local_to_cloud" | "schedule" | "integration" | (string & {});

/** What became of the workspace state that a session should start from. */
export type Restored =
  | {
      readonly what: "applied";
      readonly verdict: string;
      readonly summary: string;
      /** Paths that the work tree did not get; the first 1,000. */
      readonly missing?: readonly { readonly repo: string; readonly path: string }[];
    }
  | { readonly what: "nothing"; readonly reason: string; readonly message: string };

/** One execution of a run. */
export interface RunSession {
  /** Its id. */
  readonly id: string;
  /** Who asked for it. */
  readonly actor: string;
  /** The epoch it holds the run with; 0 until it is taken. */
  readonly epoch: number;
  /** Where it stands. */
  readonly state: "queued" | "running" | "succeeded" | "failed" | "cancelled" | "budget_exhausted" | "lost" | (string & {});
  /** What the agent is asked. */
  readonly prompt?: string;
  /** The workspace state it starts from. */
  readonly snapshotIn?: SnapshotRef;
  /** What became of it. */
  readonly restored?: Restored;
  /** The latest checkpoint, at the end the end state. */
  readonly snapshotOut?: SnapshotRef;
  /** Why there is no end state, or only an older checkpoint. */
  readonly notCaptured?: string;
  /** What it used. */
  readonly usage: Usage;
  /** The agent that answered. */
  readonly agent?: string;
  /** Whose agent that is. */
  readonly agentKind: "native" | "third_party" | (string & {});
  /** Messages the conversation had when the session took it. */
  readonly firstMessage?: number;
  /** When it was asked for, in milliseconds since 1970. */
  readonly created: number;
  /** When it took the run. */
  readonly started?: number;
  /** When it ended. */
  readonly ended?: number;
  /** Why it ended as it did, for people. */
  readonly reason?: string;
}

/** A durable unit of work with one identity through all its sessions. */
export interface Run {
  /** Its id, kept for ever. */
  readonly id: string;
  /** What it is about, for people. */
  readonly task?: string;
  /** Who started it. */
  readonly creator: string;
  /** The team it belongs to; absent for a personal run. */
  readonly team?: string;
  /** How it began. */
  readonly origin: Origin;
  /** The schedule, issue or the like that it came from. */
  readonly source?: string;
  /** Where its sessions execute. */
  readonly environment: string;
  /** The model, pinned by the first session. */
  readonly model?: string;
  /** Its conversation. */
  readonly conversation?: string;
  /** Why the source conversation did not come along. */
  readonly fresh?: "no_consent" | "no_conversation" | (string & {});
  /** Where it stands. */
  readonly state: RunState;
  /** Rises each time a session takes the run. */
  readonly epoch: number;
  /** Its sessions, oldest first. */
  readonly sessions: readonly RunSession[];
  /** What its sessions may use in total. */
  readonly budget: Budget;
  /** What it is blocked on. */
  readonly question?: { readonly message: string; readonly text: string };
  /** The run that started this one. */
  readonly parent?: string;
  /** When it was created, in milliseconds since 1970. */
  readonly created: number;
}

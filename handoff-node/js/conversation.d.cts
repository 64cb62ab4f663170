import type { Operation } from "./operation.cjs";
import type { Storage } from "./storage.cjs";

/** A named content that travels with a conversation. */
export interface Attachment {
  /** The content's SHA-256. */
  readonly blob: string;
  /** Its name as people know it. */
  readonly name: string;
  /** Such as `image/png`; absent when not known. */
  readonly mediaType?: string;
  /** Its length in bytes. */
  readonly size: number;
}

/** A tool that the agent asks to be run. */
export interface ToolCall {
  /** Pairs the call with its result; unique in the conversation. */
  readonly id: string;
  /** The tool. */
  readonly name: string;
  /** The arguments as the model wrote them. */
  readonly arguments?: string;
}

/** What a tool answered. */
export interface ToolResult {
  /** The {@link ToolCall.id} it answers. */
  readonly call: string;
  /** The answer as text. */
  readonly text?: string;
  /** How it ended. Default `done`. */
  readonly status?: "done" | "error" | "interrupted" | (string & {});
}

/** Who speaks. */
export type Role = "user" | "assistant" | "system" | "tool" | (string & {});

/** What can be appended: text alone is what the assistant says. */
export interface NewMessage {
  /** Who speaks. */
  role: Role;
  /** What is said. */
  text?: string;
  /** Its id, for a host that makes its own. */
  id?: string;
  /** What it is. Default `message`. */
  kind?: "message" | "reasoning" | "compaction" | "handoff_note" | "environment" | "opaque" | (string & {});
  /** Tools the agent asks to be run. */
  toolCalls?: readonly ToolCall[];
  /** What tools answered. */
  toolResults?: readonly ToolResult[];
  /** Contents that travel with it, stored before. */
  attachments?: readonly Attachment[];
  /** Milliseconds since 1970. */
  at?: number;
  /** The host's own JSON. */
  body?: unknown;
}

/** One message of a conversation; immutable once appended. */
export interface Message {
  /** Its id, unique in the conversation and kept by forks. */
  readonly id: string;
  /** Who speaks. */
  readonly role: Role;
  /** What is said; empty where there is none. */
  readonly text: string;
  /** What it is. */
  readonly kind: string;
  /** Tools the agent asks to be run. */
  readonly toolCalls: readonly ToolCall[];
  /** What tools answered. */
  readonly toolResults: readonly ToolResult[];
  /** Contents that travel with it. */
  readonly attachments: readonly Attachment[];
  /** Milliseconds since 1970. */
  readonly at?: number;
  /** The host's own JSON. */
  readonly body?: unknown;
}

/** What is known of a conversation without reading it. */
export interface ConversationHead {
  /** The conversation. */
  readonly id: string;
  /** Whose it is. A fork belongs to who forked. */
  readonly owner: string;
  /** How many messages it has, shared ones included. */
  readonly messages: number;
  /** The last message. */
  readonly last?: string;
  /** Where it came from; absent unless it is a fork. */
  readonly lineage?: { readonly source: string; readonly messages: number; readonly entry?: string };
  /** Tool calls without a result. */
  readonly openCalls?: readonly { readonly id: string; readonly name: string }[];
  /** The highest epoch that has written. */
  readonly epoch: number;
}

/** Where a fork leaves its source: at its end, after a message, or after so many. */
export type ForkPoint = "head" | { readonly after: string } | { readonly count: number };

/** Conversations in a storage. A fork shares its past by reference and costs the same whatever its length. */
export class Conversations {
  constructor(storage: Storage);
  /** A new, empty conversation. With an `id`, the same call again returns what is there. */
  create(options: { owner: string; id?: string }): Operation<ConversationHead>;
  /** What is known of it. @throws {NotFoundError} */
  head(id: string): Operation<ConversationHead>;
  /**
   * Appends messages in one step: all of them, or none.
   *
   * @throws {NotFoundError} {@link FencedError} {@link InvalidArgumentError} {@link LimitError}
   */
  append(
    id: string,
    messages: string | NewMessage | readonly (string | NewMessage)[],
    options?: { epoch?: number; expect?: number; idempotencyKey?: string },
  ): Operation<ConversationHead>;
  /** At most `limit` messages from number `from` on. */
  messages(id: string, options?: { from?: number; limit?: number }): Operation<readonly Message[]>;
  /** Every message, read in pages. */
  read(id: string, options?: { from?: number; page?: number }): AsyncIterableIterator<Message>;
  /** A new conversation that shares the past of this one, which is not written. */
  fork(id: string, options: { owner: string; at?: ForkPoint; id?: string }): Operation<ConversationHead>;
  /** Waits until it has so many messages. @throws {UnsyncedError} saying how many there are */
  waitSynced(id: string, options: { messages: number; deadline: number; signal?: AbortSignal }): Operation<ConversationHead>;
  /** Stores a content, to be named by a message appended later. */
  attach(name: string, content: Uint8Array | string, options?: { mediaType?: string }): Operation<Attachment>;
  /** The content of an attachment, checked against its hash. */
  readAttachment(attachment: Attachment): Operation<Buffer>;
  /** Lets go of it. */
  close(): void;
}

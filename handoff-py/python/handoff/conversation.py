"""Conversations: messages, attachments, forks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ._held import Held, call, content, handle_only, instance, start, text
from ._port import describe
from ._value import Value
from .capture import milliseconds
from .errors import InvalidArgumentError
from .operation import Operation
from .storage import BuiltInStorage, Storage, as_storage

__all__ = [
    "Attachment",
    "ConversationHead",
    "Conversations",
    "Lineage",
    "Message",
    "OpenCall",
    "ToolCall",
    "ToolResult",
]


@dataclass(frozen=True)
class ToolCall(Value):
    """A tool that the agent asks to be run."""

    id: str
    """Pairs the call with its :class:`ToolResult`."""
    name: str
    """The tool."""
    arguments: str = ""
    """The arguments as the model wrote them, which need not be JSON."""


@dataclass(frozen=True)
class ToolResult(Value):
    """What a tool answered."""

    call: str
    """The :attr:`ToolCall.id` it answers."""
    text: str = ""
    """The answer as text."""
    status: str = "done"
    """``done``, ``error`` or ``interrupted``."""


@dataclass(frozen=True)
class Attachment(Value):
    """A named content of a conversation."""

    blob: str
    """The content's SHA-256."""
    name: str
    """Its name as people know it; never used as a path."""
    media_type: str = ""
    """Its media type, such as ``image/png``."""
    size: int = 0
    """Its length in bytes."""


@dataclass(frozen=True)
class Message(Value):
    """One message: a small view that everybody understands, beside the host's own JSON, kept verbatim in ``body``."""

    role: str
    """``user``, ``assistant``, ``system`` or ``tool``."""
    text: str = ""
    """What is said, as text."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Tools the agent asks to be run."""
    tool_results: tuple[ToolResult, ...] = ()
    """What tools answered."""
    attachments: tuple[Attachment, ...] = ()
    """Contents that travel with it."""
    kind: str | None = None
    """``message``, ``reasoning``, ``compaction``, ``handoff_note``, ``environment`` or ``opaque``."""
    at: int | None = None
    """Milliseconds since 1970, by the writer's clock."""
    body: str | None = None
    """The host's own JSON, as text, kept byte for byte."""
    id: str | None = None
    """Its id, kept by forks; given when it is appended, unless you do."""


@dataclass(frozen=True)
class OpenCall(Value):
    """A tool call without a result yet."""

    id: str
    """The call's id."""
    name: str = ""
    """The tool."""


@dataclass(frozen=True)
class Lineage(Value):
    """Where a fork came from."""

    source: str
    """The source's id."""
    messages: int = 0
    """How many of the source's messages are shared."""
    entry: str | None = None
    """The last shared message."""


@dataclass(frozen=True)
class ConversationHead(Value):
    """What is known of a stored conversation without reading its messages."""

    id: str
    """The conversation."""
    owner: str = ""
    """Whose it is. A fork belongs to who forked."""
    lineage: Lineage | None = None
    """Where it came from; absent unless it is a fork."""
    messages: int = 0
    """How many messages it has, shared ones included."""
    last: str | None = None
    """The last message's id."""
    open_calls: tuple[OpenCall, ...] = ()
    """Tool calls without a result."""
    epoch: int = 0
    """The highest epoch that has written."""
    inbox: int = 0
    """Records of the run's inbox that are taken in."""


Said: TypeAlias = str | Message | Mapping[str, Any]
"""A message, plain data of its form, or what the assistant says."""


def message(given: object, argument: str, role: str = "assistant") -> dict[str, Any]:
    """One message as the core takes it; ``role`` is whose a plain string is."""
    if isinstance(given, str):
        return {"role": role, "text": given}
    if isinstance(given, Message):
        return given.to_dict()
    if isinstance(given, Mapping):
        if not isinstance(given.get("role"), str):
            raise InvalidArgumentError(f"{argument}.role is missing", argument=f"{argument}.role")
        return dict(given)
    raise InvalidArgumentError(f"{argument} is {describe(given)}; pass a Message or a string", argument=argument)


def messages(given: object, argument: str) -> list[dict[str, Any]]:
    """Messages as the core takes them: one, or many."""
    if isinstance(given, (str, Message, Mapping)) or not isinstance(given, Iterable):
        return [message(given, argument)]
    return [message(one, f"{argument}[{at}]") for at, one in enumerate(given)]


def messages_of(value: Any, body: bytes | None) -> tuple[Message, ...]:
    """Messages as the core says them."""
    return tuple(Message.from_dict(one) for one in value)


def message_of(value: Any, body: bytes | None) -> Message:
    """A message as the core says it."""
    return Message.from_dict(value)


def head_of(value: Any, body: bytes | None) -> ConversationHead:
    """A head as the core says it."""
    return ConversationHead.from_dict(value)


def attachment_of(value: Any, body: bytes | None) -> Attachment:
    """An attachment as the core says it."""
    return Attachment.from_dict(value)


def fork_point(at: object) -> Any:
    """Where to cut, as the core takes it."""
    if at is None or at == "head":
        return None
    if isinstance(at, bool) or not isinstance(at, (int, str)):
        raise InvalidArgumentError(
            f"at is {describe(at)}; pass a number of messages, the id of a message, or 'head'", argument="at"
        )
    if isinstance(at, int) and at < 0:
        raise InvalidArgumentError("at is a negative number; pass a number of messages", argument="at")
    return {"count": at} if isinstance(at, int) else {"after": at}


class Conversations(Held):
    """The conversations in a storage."""

    def __init__(self, storage: Storage | BuiltInStorage) -> None:
        store = as_storage(storage, "storage")
        self._ports = store._ports
        self._handle = call("conversations.new", {"storage": store}, handle_only)

    def create(self, *, owner: str, id: str | None = None) -> Operation[ConversationHead]:
        """A new conversation that belongs to ``owner``."""
        arguments = {"conversations": self, "owner": text(owner, "owner"), "id": id}
        return start("conversation.create", arguments, head_of)

    def head(self, id: str) -> Operation[ConversationHead]:
        """What is known of a conversation without reading its messages."""
        return start("conversation.head", {"conversations": self, "id": text(id, "id")}, head_of)

    def append(
        self,
        id: str,
        messages: Said | Iterable[Said],
        *,
        epoch: int | None = None,
        expect: int | None = None,
        idempotency_key: str | None = None,
    ) -> Operation[ConversationHead]:
        """Appends messages, in one step: all of them are in the conversation afterwards, or none.

        :param epoch: the fencing token of the writer.
        :param expect: how many messages the writer believes to be there; any other number is refused.
        :param idempotency_key: makes a repeated call append nothing more.
        """
        arguments = {
            "conversations": self,
            "id": text(id, "id"),
            "messages": _messages(messages, "messages"),
            "epoch": epoch,
            "expect": expect,
            "idempotency_key": idempotency_key,
        }
        return start("conversation.append", arguments, head_of)

    def messages(self, id: str, *, start: int = 0, limit: int = 256) -> Operation[tuple[Message, ...]]:
        """At most ``limit`` messages from number ``start`` on; the first is 0."""
        arguments = {"conversations": self, "id": text(id, "id"), "from": start, "limit": limit}
        return _start("conversation.messages", arguments, messages_of)

    async def read(self, id: str, *, start: int = 0, page: int = 256) -> AsyncIterator[Message]:
        """All messages from number ``start`` on, read ``page`` at a time."""
        while True:
            some = await self.messages(id, start=start, limit=page)
            for one in some:
                yield one
            start += len(some)
            if len(some) < page:
                return

    def fork(
        self, id: str, *, owner: str, at: int | str | None = None, new_id: str | None = None
    ) -> Operation[ConversationHead]:
        """A new conversation that shares this one's past, at a cost that does not depend on its length.

        The source is not written. A tool call that is open at the cut gets the result "interrupted" in the fork.

        :param at: after how many messages, or after which message, to cut. Default: at the end.
        :param new_id: the id of the fork, with which a repeated call makes no second one. Default: one is made up.
        """
        arguments = {
            "conversations": self,
            "id": text(id, "id"),
            "owner": text(owner, "owner"),
            "at": fork_point(at),
            "new_id": new_id,
        }
        return start("conversation.fork", arguments, head_of)

    def wait_synced(self, id: str, messages: int, *, deadline: float) -> Operation[ConversationHead]:
        """Waits until the conversation has ``messages`` messages, at most ``deadline`` seconds.

        :raises UnsyncedError: when the rest did not come in time.
        """
        arguments = {
            "conversations": self,
            "id": text(id, "id"),
            "messages": messages,
            "deadline": milliseconds(deadline, "deadline"),
        }
        return start("conversation.wait_synced", arguments, head_of)

    def attach(self, name: str, content: bytes, *, media_type: str = "") -> Operation[Attachment]:
        """Stores a content, to be named by a message."""
        arguments = {"conversations": self, "name": text(name, "name"), "media_type": media_type}
        return start("conversation.attach", arguments, attachment_of, _content(content, "content"))

    def read_attachment(self, attachment: Attachment) -> Operation[bytes]:
        """An attachment's content, checked against its hash."""
        arguments = {
            "conversations": self,
            "attachment": instance(attachment, Attachment, "attachment").to_dict(),
        }
        return start("conversation.read_attachment", arguments, lambda value, body: body or b"")


_messages, _content, _start = messages, content, start

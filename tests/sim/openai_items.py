# SPDX-License-Identifier: MIT
"""The conversation of a simulated session: an ordered list of items.

Refusals carry the codes and words of the real service, as far as public
issue threads show them.
"""

import copy


# What a client may put into a message of that role.  An assistant's audio
# cannot be: "has the current limitation that it cannot populate assistant
# audio messages" (conversation.item.create).
CONTENT = {"user": {"input_text": "text", "input_audio": "audio",
                    "input_image": "image_url"},
           "assistant": {"output_text": "text"},
           "system": {"input_text": "text"}}


def content_problem(data):
    """Why the service does not take this message's content, or None."""
    role = data["role"]
    if not data["content"]:
        return "a message without content"
    for part in data["content"]:
        member = CONTENT[role].get(part["type"])
        if member is None:
            return f"content of type '{part['type']}' in a message of {role}"
        if not isinstance(part.get(member), str):
            return f"content of type '{part['type']}' without {member}"
    return None


class ItemError(Exception):
    """The service's refusal of an operation on an item."""

    def __init__(self, code, message, param=None):
        super().__init__(message)
        self.code = code
        self.param = param


class Item:
    """An item and what the service knows of it beside its JSON."""

    def __init__(self, data, audio_ms=0):
        self.data = data
        self.audio_ms = audio_ms        # length of its audio
        self.audio = b""                # user items: what was committed
        self.heard = None               # user items: the scripted transcript
        self.previous_id = None
        self.truncated_ms = None        # what truncate left, if it was

    @property
    def id(self):
        return self.data["id"]

    def public(self):
        return copy.deepcopy(self.data)

    @property
    def is_assistant_audio(self):
        return (self.data["type"] == "message" and
                self.data["role"] == "assistant" and self.audio_ms > 0)


class Conversation:
    """Items in order; the last is what previous_item_id refers to."""

    def __init__(self):
        self.items = []
        self.has_assistant_audio = False

    @property
    def last_id(self):
        return self.items[-1].id if self.items else None

    def find(self, item_id, action):
        for item in self.items:
            if item.id == item_id:
                return item
        gerund = {"delete": "deleting", "truncate": "truncating",
                  "retrieve": "retrieving"}[action]
        raise ItemError(f"item_{action}_invalid_item_id",
                        f"Error {gerund} item: the item with id '{item_id}' "
                        "does not exist.")

    def get(self, item_id):
        """The item, or None."""
        return next((i for i in self.items if i.id == item_id), None)

    def add(self, data, audio_ms=0):
        """Append an item of the service's own making."""
        item = Item(data, audio_ms)
        item.previous_id = self.last_id
        self.items.append(item)
        return item

    def insert(self, data, previous_id):
        """Insert an item from the client after previous_id.

        None appends, "root" puts it first.
        """
        if any(item.id == data["id"] for item in self.items):
            raise ItemError("item_create_duplicate_item_id",
                            f"Error adding item: an item with id "
                            f"'{data['id']}' already exists.", "item.id")
        if data["type"] == "message":
            problem = content_problem(data)
            if problem:
                raise ItemError("invalid_value", f"Invalid value: {problem}.",
                                "item.content")
        if data["type"] == "function_call_output":
            self._check_call(data["call_id"])
        place = self._place_after(previous_id)
        item = Item(data)
        item.previous_id = self.items[place - 1].id if place else None
        self.items.insert(place, item)
        return item

    def _check_call(self, call_id):
        for item in self.items:
            if item.data["type"] == "function_call" and \
                    item.data.get("call_id") == call_id:
                return
        raise ItemError("invalid_tool_call_id", f"Tool call ID '{call_id}' "
                        "not found in conversation.")

    def answers(self, call_id):
        """How many outputs a function call has."""
        return sum(item.data["type"] == "function_call_output" and
                   item.data["call_id"] == call_id for item in self.items)

    def calls(self, call_id):
        """How many function calls have this id."""
        return sum(item.data["type"] == "function_call" and
                   item.data.get("call_id") == call_id for item in self.items)

    def _place_after(self, previous_id):
        if previous_id is None:
            return len(self.items)
        if previous_id == "root":
            return 0
        for place, item in enumerate(self.items):
            if item.id == previous_id:
                return place + 1
        raise ItemError("item_create_invalid_previous_item_id",
                        "Error adding item: the previous item with id "
                        f"'{previous_id}' does not exist.", "previous_item_id")

    def delete(self, item_id):
        self.items.remove(self.find(item_id, "delete"))

    def truncate(self, item_id, content_index, end_ms):
        """Cut an assistant item's audio to what was played.

        The service deletes the transcript too, since it cannot tell which of
        its words were heard.
        """
        item = self.find(item_id, "truncate")
        if not item.is_assistant_audio or end_ms == 0 or content_index != 0:
            raise ItemError("unsupported_content_type", "Only model output "
                            "audio messages can be truncated")
        if end_ms > item.audio_ms:
            raise ItemError("invalid_value",
                            f"Audio content of {item.audio_ms}ms is already "
                            f"shorter than {end_ms}ms", "audio_end_ms")
        item.audio_ms = item.truncated_ms = end_ms
        for part in item.data["content"]:
            part.pop("transcript", None)

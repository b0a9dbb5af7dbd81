"""A model of SQS for what an operator's tool calls of it: quick, with a clock of its own, and as unkind as asked."""

import random
import threading
import uuid
from collections import OrderedDict


class Sqs:
    """Its queues by their URLs, those that end in .fifo with groups. A stand-in for a boto3 client, for several threads
    at once."""

    def __init__(self, *urls, seed=0):
        self.queues = {url: OrderedDict() for url in urls}
        self.now = 1_800_000_000.0
        self.calls = 0
        # Shares of calls that fail, and of messages that aren't taken.
        self.failing, self.refusing = 0.0, 0.0
        # Called with each call's name, before it is done.
        self.before = lambda _name: None
        self._random = random.Random(seed)
        self._lock = threading.RLock()
        self._sequence = 0

    def put(self, url, body, attributes=None, group=None, sent_at=None):
        """A message as another sender would send it."""
        with self._lock:
            self._sequence += 1
            message = {
                "MessageId": str(uuid.UUID(int=self._sequence)), "Body": body, "ReceiptHandle": None, "visible_at": 0,
                "MessageAttributes": attributes or {}, "group": group,
                "Attributes": {"SentTimestamp": str(int((sent_at or self.now) * 1000)),
                               **({"MessageGroupId": group} if group else {})},
            }
            self.queues[url][message["MessageId"]] = message

    def messages(self, url):
        return list(self.queues[url].values())

    def visible(self, url):
        return [message for message in self.messages(url) if message["visible_at"] <= self.now]

    def _call(self, name):
        self.before(name)
        self.calls += 1
        if self._random.random() < self.failing:
            raise ConnectionError(f"{name} fails")

    def get_queue_attributes(self, QueueUrl, AttributeNames):
        with self._lock:
            self._call("get_queue_attributes")
            visible = len(self.visible(QueueUrl))
            counts = {"ApproximateNumberOfMessages": visible, "ApproximateNumberOfMessagesDelayed": 0,
                      "ApproximateNumberOfMessagesNotVisible": len(self.queues[QueueUrl]) - visible}
            return {"Attributes": {name: str(counts[name]) for name in AttributeNames}}

    def receive_message(self, QueueUrl, MaxNumberOfMessages, VisibilityTimeout, WaitTimeSeconds, AttributeNames,
                        MessageAttributeNames):
        assert MaxNumberOfMessages <= 10 and AttributeNames == MessageAttributeNames == ["All"]
        with self._lock:
            self._call("receive_message")
            queue, locked = self.queues[QueueUrl], set()
            if QueueUrl.endswith(".fifo"):
                locked = {message["group"] for message in queue.values() if message["visible_at"] > self.now}
            free = (message for message in queue.values()
                    if message["visible_at"] <= self.now and message["group"] not in locked)
            received = [message for _, message in zip(range(MaxNumberOfMessages), free, strict=False)]
            for message in received:
                message["visible_at"] = self.now + VisibilityTimeout
                message["ReceiptHandle"] = f"{message['MessageId']}/{uuid.uuid4().hex}"
                if not QueueUrl.endswith(".fifo"):
                    queue.move_to_end(message["MessageId"])  # so that the next ones are found at once
            private = ("visible_at", "group")
            return {"Messages": [{name: value for name, value in message.items() if name not in private}
                                 for message in received]} if received else {}

    def _received(self, url, receipt):
        """The message with this receipt, if nobody was given it since."""
        message = self.queues[url].get(receipt.split("/")[0])
        return message if message and message["ReceiptHandle"] == receipt else None

    def change_message_visibility_batch(self, QueueUrl, Entries):
        return self._change(QueueUrl, Entries, "change_message_visibility_batch", lambda message, entry: message.update(
            visible_at=self.now + entry["VisibilityTimeout"]))

    def delete_message_batch(self, QueueUrl, Entries):
        return self._change(QueueUrl, Entries, "delete_message_batch",
                            lambda message, _: self.queues[QueueUrl].pop(message["MessageId"]))

    def delete_message(self, QueueUrl, ReceiptHandle):
        self.delete_message_batch(QueueUrl, [{"Id": "0", "ReceiptHandle": ReceiptHandle}])

    def send_message(self, QueueUrl, MessageBody, MessageAttributes):
        with self._lock:
            self._call("send_message")
            self.put(QueueUrl, MessageBody, MessageAttributes)

    def send_message_batch(self, QueueUrl, Entries):
        assert 1 <= len(Entries) <= 10 and sum(len(entry["MessageBody"]) for entry in Entries) <= 1024 * 1024
        assert len({entry["MessageGroupId"] for entry in Entries}) == len(Entries), "one could overtake the other"
        with self._lock:
            self._call("send_message_batch")
            answer = {"Successful": [], "Failed": []}
            for entry in Entries:
                if self._random.random() < self.refusing:
                    answer["Failed"].append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
                    continue
                assert entry["MessageDeduplicationId"]
                self.put(QueueUrl, entry["MessageBody"], entry["MessageAttributes"], entry["MessageGroupId"])
                answer["Successful"].append({"Id": entry["Id"]})
            return answer

    def _change(self, url, entries, name, change):
        assert 1 <= len(entries) <= 10
        with self._lock:
            self._call(name)
            answer = {"Successful": [], "Failed": []}
            for entry in entries:
                message = self._received(url, entry["ReceiptHandle"])
                if message is None:
                    answer["Failed"].append({"Id": entry["Id"], "Code": "ReceiptHandleIsInvalid"})
                else:
                    change(message, entry)
                    answer["Successful"].append({"Id": entry["Id"]})
            return answer

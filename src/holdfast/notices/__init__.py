"""Notices: webhooks and other targets, told of what happened, at least once and in order.

```
notice      from an entry of the journal, or a server's report, to a CloudEvent
targets     `notices.toml`: who is told of what
outbox      files that wait for a target, so that a crash or a dead receiver loses nothing
webhook     one notice, sent by HTTP and signed
services    the same through apprise, to chats and mail
courier     follows the journals, fills the outbox, delivers
```

What an entry tells is derived from the journal, with a cursor for each target and model: a crash
between an entry and its notice loses nothing.
"""

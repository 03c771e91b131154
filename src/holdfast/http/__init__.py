"""What every HTTP server of the project shares, whatever it answers.

```
limits       how much, for how long          hosts   which names and origins are answered
addresses    taken by one server alone          unix_sockets   the same, as files
content_types  which bodies are JSON      asgi    the words of ASGI
access_log   a line for each answer         problems   errors on the wire, and back
request_ids  which ids of callers are repeated
connection   the first two enforced on each connection, before a request reaches an application
```
"""

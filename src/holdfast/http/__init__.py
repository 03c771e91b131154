"""What every HTTP server of the project shares, whatever it answers.

```
limits       how much, for how long          hosts   which names and origins are answered
connection   both enforced on each connection, before a request reaches an application
```
"""

"""Who may do what: people, roles, tokens, and the journal that they are kept in.

```
access_events   what can happen to people and rights     access_state    the fold of all of it
permissions     `may`, the one function that decides     approvers       who could approve
changes         wishes to events, or refusals            access_journal  entries signed by a server
tokens          secrets, kept as digests alone           authentication  who shows a secret
sessions        sign-ins and short tokens, as reports    refusals        who was refused what
oidc, jwks      sign-in by an OpenID Connect provider    ci_exchange     jobs without secrets
```
"""

"""HTTP: which path is answered by what, on which way, and everything but predictions.

```
app       the ASGI application            direct    plain requests, without ASGI
paths     which face a path names         admin, health, openapi   by FastAPI
```
"""

"""HTTP: which path is answered by what, on which way, and everything but predictions.

```
application   the ASGI application        direct    plain requests, without ASGI
paths         which codec a path names    admin, readiness, openapi, documentation   by FastAPI
```
"""

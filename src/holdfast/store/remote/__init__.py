"""A store behind a Holdfast server, over HTTPS; urllib3 is imported when the first one is asked.

```
server_address      an address becomes a server: https, or http on this machine
server_credentials  the token for a server: HOLDFAST_TOKEN, or a file of this user's alone
http_client         requests: bounded, timed, never redirected, reads repeated
problem_answers     what a server refuses becomes the error that it raised
```
"""

from typing import Final

SCHEMES: Final = ("https", "http")
"""The first letters of addresses that name a server."""

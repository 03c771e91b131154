"""A store in a bucket of S3, GCS or Azure, through obstore, which is imported when one is opened.

```
locating     an address becomes a store          credentials  found the way each cloud's tools do
store        the verbs                           probing      is the endpoint fit for a journal?
creating     of rivals one wins, no answer lost  reading      an object as a file
sending      a file goes in                      fetching     parts come out, side by side
cache        checked files on this machine       wire         the seam: requests, counted
bucket       a registry's place: the pointer     answers      obstore's errors turned into ours
garbage      lists, grace and rescues
```
"""

from typing import Final

SCHEMES: Final = ("s3", "gs", "az")
"""The first letters of addresses that name a bucket."""

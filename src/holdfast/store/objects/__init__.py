"""A store in a bucket of S3, GCS or Azure, through obstore, which is imported when one is opened.

```
locating      an address becomes a store         credentials    found as each cloud's tools do
object_store  the verbs                          probing        is the endpoint fit for a journal?
creating      of rivals one wins, none is lost   object_reader  an object as a file
sending       a file goes in                     fetching       parts come out, side by side
ranged_object an object jumped about in          bucket_files   files of people, by address
cache         checked files on this machine      client         the seam: requests, counted
client_errors obstore's errors into ours         named_copies   a version's files by name
```
"""

from typing import Final

SCHEMES: Final = ("s3", "gs", "az")
"""The first letters of addresses that name a bucket."""

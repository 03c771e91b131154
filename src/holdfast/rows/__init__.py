"""Rows: held against a schema, brought into a layout, fed to a pair; and what came of them.

```
request_rows  as they came                    row_layout    as a version wants them
checking      from the one to the other       texts, times, values   one value of them
feeding       to the first part of a pair     predictor     the call of both parts
outcome       held against the output schema  untyped       rows without a schema
loaded_version   a version that answers       refusal       why rows are not answered
call_params   what a call has beside its rows
```
"""

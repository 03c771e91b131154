"""Rows: held against a schema, brought into a layout, fed to a pair; and what came of them.

```
given     as they came                    layout    as a version wants them
checking  from the one to the other       texts, values   a text, a value of them
feeding   to the first part of a pair     predictor the call of both parts
outcome   held against the output schema
```
"""

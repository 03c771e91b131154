"""Data that models are made from, by name and by digest.

```
row_digest    a digest of rows, whatever file or frame they are in
row_reading   files of rows as record batches
data_digests  digests of bytes, by file
data_source   files, folders, patterns and buckets, described
query_source  results of queries, described
data_records  versions of data: what is written of them, and how people name them
data_journal  the journal of one name
```
"""

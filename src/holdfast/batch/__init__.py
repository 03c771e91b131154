"""Batch scoring: the rows of files answered by one version, and a record of it.

```
batch_run      one run, from files to scores   input_files   what is read, found and hashed
input_columns  which columns, from the footer  output_file   written beside, then named
bucket_output  the same in a bucket, sent once
row_checks     values held against the schema  chunk_scoring what is answered for a part
batch_drift    counted in the bins of training version_loading   verified, tried, loaded
scorer         the same in Spark, Ray and Dask row_lookup    a row of a batch, read back
```

A version answers here what a server answers: rows are checked, fed and judged by `holdfast.rows`.
"""

from holdfast.batch.scorer import Scorer

__all__ = ["Scorer"]

"""Serving: verified pairs over HTTP, swapped in place as the journal moves.

A worker is threads around one value that is replaced whole (`lineup`, `served`). From the socket
down to the model, and what is done beside that:

```
server      puts a worker together            workers   several of them at one address
web         which path is answered by what    limits, refusal   what is not taken
answering   the way of a request              telling   what becomes known of answers
faces       the forms of requests             swapping  from the journal to what answers
rows        their content, and the call       driving   rollouts
```
"""

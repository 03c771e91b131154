"""Serving: verified pairs over HTTP, swapped in place as the journal moves.

A worker's life, its threads around one value that is replaced whole (`lineup`, `served`):

```
server      puts a worker together            workers     several of them at one address
following   learns of moves                   deployment  from a situation to the line-up
loading     a version verified and tried out  driving     rollouts
counting    evidence, from every answer       reporting   tells the store
```

A request's way, down and back:

```
app         which path is whose               bodies, limits, refusal   the edge
paths, face, wire, inference_protocol, tensors, invocations, texts, given   its form, and its rows
hot         the way itself                    routing     which version
checking, values, layout    its rows, held against the schema
batching    shared calls                      feeding, predictor   the call
outcome     what came of it                   finished    who is told: counting, recording, metrics
admin, health, openapi, feedback              everything but predictions
```
"""

"""The forms of requests and answers, each read and written in one place.

```
codec     what a form is                  bodies    between the socket and the forms
predict   /predict                        invocations   MLflow, SageMaker, Vertex
inference_protocol   version 2, with      tensors   its datatypes and raw bytes
inference_messages   the same over gRPC   protocol_messages   what its messages are
```
"""

"""The face for clients of the Hugging Face Hub: the same versions, access and gates."""

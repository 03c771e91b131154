"""What `examples/hubs.py` has the Hub's clients do, in the environment that has them.

Each runs in a process of its own, because the address of the Hub is read when they are imported.
What was seen is printed as JSON.
"""

import hashlib
import json
import sys
from pathlib import Path


def made(folder: str, seed: str) -> dict[str, str]:
    """Write a tiny model of transformers; without that library, a file in its place."""
    place = Path(folder)
    place.mkdir(parents=True)
    try:
        import torch  # noqa: PLC0415 - may be missing
        from transformers import BertConfig, BertModel  # noqa: PLC0415
    except ImportError:
        (place / "config.json").write_text('{"model_type": "none"}')
        (place / "weights.bin").write_bytes(bytes([int(seed)]) * 400_000)
        return {"kind": "a file of weights, for transformers is not installed"}
    torch.manual_seed(int(seed))
    config = BertConfig(
        vocab_size=600,
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    BertModel(config).save_pretrained(place)
    return {"kind": "a tiny BERT, by transformers"}


def pushed(folder: str, repo: str) -> dict[str, str]:
    """Upload a folder; return its commit."""
    import huggingface_hub as hub  # noqa: PLC0415 - in its own environment

    hub.create_repo(repo, exist_ok=True)
    done = hub.upload_folder(repo_id=repo, folder_path=folder, commit_message="from a notebook")
    return {"commit": str(done.oid), "client": hub.__version__}


def pulled(repo: str, revision: str) -> dict[str, str]:
    """Download a revision; return its commit and the digests of its files."""
    import huggingface_hub as hub  # noqa: PLC0415 - in its own environment

    place = Path(hub.snapshot_download(repo, revision=revision))
    files = {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }
    return {"commit": place.name} | files


def loaded(repo: str, revision: str) -> dict[str, str]:
    """Load a revision by transformers and ask it; return the sum of its answer."""
    import torch  # noqa: PLC0415 - in its own environment
    import transformers  # noqa: PLC0415

    model = transformers.AutoModel.from_pretrained(repo, revision=revision)
    with torch.no_grad():
        answer = model(input_ids=torch.tensor([[1, 2, 3]])).last_hidden_state
    return {"sum": f"{float(answer.double().abs().sum()):.6f}", "client": transformers.__version__}


if __name__ == "__main__":
    told = {"made": made, "pushed": pushed, "pulled": pulled, "loaded": loaded}[sys.argv[1]]
    sys.stdout.write(json.dumps(told(*sys.argv[2:])))

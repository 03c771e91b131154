"""Two examples of each command, for its help: the plain one, and one for a harder day."""

from typing import Final

__all__ = ["EXAMPLES"]

EXAMPLES: Final[dict[str, tuple[str, str]]] = {
    "register": (
        "holdfast register churn model.joblib scaler.joblib --metric roc_auc=0.91",
        "holdfast register churn --code src/shop --entry shop.model:Net --trust 'our own code'",
    ),
    "adopt": (
        "holdfast adopt churn artifacts --dry-run",
        "holdfast adopt churn artifacts --live model_final.pkl --code src/shop --trust 'our own'",
    ),
    "web": (
        "holdfast web --store /srv/models",
        "holdfast web check --host 0.0.0.0 --behind-proxy 10.0.0.2 --host-name models.example",
    ),
    "login": (
        "holdfast login https://models.example.com",
        "holdfast login http://localhost:8090 --json",
    ),
    "logout": (
        "holdfast logout https://models.example.com",
        "holdfast logout https://models.example.com --forget",
    ),
    "predict": (
        "holdfast predict fraud@production --input june.parquet --output scores.parquet --id id",
        "holdfast predict fraud@1.4.0 --input 's3://feeds/*.csv' --output s3://scores/june.csv",
    ),
    "drift": (
        "holdfast drift churn --log predictions",
        "holdfast drift churn --against 1.2.0 --since 2026-03-01 --plot drift.svg",
    ),
    "data add": (
        "holdfast data add sales data/sales.parquet --window 2026-08-31/2026-11-29",
        "holdfast data add sales --sql 'SELECT * FROM sales' --connect sqlite:///shop.db --keep",
    ),
    "data ls": ("holdfast data ls", "holdfast data ls sales --json"),
    "data show": ("holdfast data show sales", "holdfast data show sales@v3 --json"),
    "data verify": (
        "holdfast data verify sales@v3",
        "holdfast data verify sales --connect postgresql://reader@db.example/shop",
    ),
    "lineage": (
        "holdfast lineage churn@production --plot lineage.svg",
        "holdfast lineage --data sales@v3",
    ),
    "reproduce": (
        "holdfast reproduce churn@1.2.0",
        "holdfast reproduce churn@1.2.0 --run --data train=/archive/sales.parquet",
    ),
    "stage": (
        "holdfast stage churn@latest",
        "holdfast stage churn@1.3.0 --reason 'for the load test'",
    ),
    "promote": (
        "holdfast promote churn@1.3.0 --reason 'weekly retraining'",
        "holdfast promote churn@latest --expect 1.2.0 --wait 1m",
    ),
    "rollback": (
        "holdfast rollback churn --reason 'recall is falling'",
        "holdfast rollback churn --to 1.1.0 --expect 1.3.0",
    ),
    "archive": (
        "holdfast archive churn@1.0.0",
        "holdfast archive churn@v2 --reason 'trained on the wrong month'",
    ),
    "alias": ("holdfast alias churn@1.2.0 eu", "holdfast alias churn@eu --remove"),
    "retrain once": (
        "holdfast retrain once churn --entry jobs.churn:train --slot 2026-11-29T02:00Z",
        "holdfast retrain once churn --command 'Rscript train.R' --slot 2026-11-29",
    ),
    "retrain status": (
        "holdfast retrain status churn",
        "holdfast retrain status churn --cron '0 2 * * 0' --zone Europe/Berlin",
    ),
    "retrain history": (
        "holdfast retrain history churn",
        "holdfast retrain history churn --limit 5 --json",
    ),
    "retrain check": (
        "holdfast retrain check churn",
        "holdfast retrain check churn --entry jobs.churn:train --every 7d",
    ),
    "retrain run": (
        "holdfast retrain run churn",
        "holdfast retrain run churn --entry jobs.churn:train --cron '0 2 * * *' --memory 4GB",
    ),
    "status": ("holdfast status", "holdfast status churn --at 2026-03-03T14:00Z"),
    "ls": (
        "holdfast ls churn",
        """holdfast ls --where 'recall > 0.9 and tag.team = "risk"' --order-by 'recall desc'""",
    ),
    "show": ("holdfast show churn@production", "holdfast show churn@1.2.0 --json"),
    "history": ("holdfast history churn --limit 20", "holdfast history churn --plot churn.svg"),
    "compare": (
        "holdfast compare churn@production churn@latest",
        "holdfast compare churn@1.2.0 churn@latest --fail-if 'auc < -1%' --plot x.svg --curve loss",
    ),
    "card": (
        "holdfast card churn@production",
        "holdfast card churn@1.2.0 --format cyclonedx",
    ),
    "access init": (
        "holdfast access init --admin ana --server-key /etc/holdfast/server.key",
        "holdfast access init --admin bo --reason 'ana left, and her token with her'",
    ),
    "access user": ("holdfast access user bo --add", "holdfast access user bo --disable"),
    "access service": (
        "holdfast access service nightly --owner ana",
        "holdfast access service",
    ),
    "access group": (
        "holdfast access group risk --member ana --member bo",
        "holdfast access group risk --remove",
    ),
    "access grant": (
        "holdfast access grant bo promoter 'risk/*'",
        "holdfast access grant --take g_1a2b3c4d5e6f",
    ),
    "access token": (
        "holdfast access token nightly --label 'retraining' --expires 30d",
        "holdfast access token --revoke 1a2b3c4d5e6f",
    ),
    "access rule": (
        (
            "holdfast access rule ci --issuer https://ci.example --audience https://us.example "
            "--claim repository_id=77 --role registrar --models 'risk/*'"
        ),
        "holdfast access rule ci --remove",
    ),
    "access provider": (
        "holdfast access provider corp --issuer https://id.example --client-id holdfast",
        "holdfast access provider corp --remove",
    ),
    "access log": ("holdfast access log --limit 20", "holdfast access log --refusals 2026-03-03"),
    "access who-could": (
        "holdfast access who-could promote risk/iris",
        "holdfast access who-could promote risk/iris --at 2026-03-03",
    ),
    "verify": ("holdfast verify", "holdfast verify churn@1.2.0 --signed-by ana"),
    "tag": (
        "holdfast tag churn@1.2.0 team=pricing ticket=ML-411",
        "holdfast tag churn@1.2.0 ticket --remove",
    ),
    "note": (
        "holdfast note churn@1.2.0 'holds up in the spring sale'",
        "holdfast note churn@production 'on call: read the runbook first' --by ana",
    ),
    "evaluate": (
        "holdfast evaluate churn@1.3.0 --data june.parquet --label churned --slice region",
        "holdfast evaluate churn@1.3.0 roc_auc=0.93 --dataset holdout-2026-03",
    ),
    "approve": (
        "holdfast approve churn@1.3.0",
        "holdfast approve churn@1.3.0 --by ben --reason 'read the diff'",
    ),
    "hold": (
        "holdfast hold churn@1.1.0 --reason 'audit of Q1'",
        "holdfast hold churn@production --reason 'incident 2311' --by ana",
    ),
    "release": (
        "holdfast release churn@1.1.0",
        "holdfast release churn@1.1.0 --reason 'audit is over'",
    ),
    "policy set": (
        "holdfast policy set churn --metric roc_auc:min=0.9 --max-regression 2%",
        "holdfast policy set churn --approvals 1 --code signed --signer ana=ana.pub",
    ),
    "policy show": ("holdfast policy show churn", "holdfast policy show churn --json"),
    "serve": (
        "holdfast serve churn --port 8080",
        "holdfast serve churn fraud --workers 4 --drain 15 --sandbox require",
    ),
    "rollout start": (
        "holdfast rollout start churn@latest --steps 5,25,50,100 --every 10m",
        "holdfast rollout start churn@1.3.0 --strategy blue-green --sticky header:X-User",
    ),
    "rollout status": ("holdfast rollout status churn", "holdfast rollout status churn --watch"),
    "rollout run": (
        "holdfast rollout run",
        "holdfast rollout run churn --until-done --prometheus http://127.0.0.1:9090",
    ),
    "rollout tick": (
        "holdfast rollout tick",
        "holdfast rollout tick churn --prometheus http://127.0.0.1:9090",
    ),
    "rollout pause": (
        "holdfast rollout pause churn",
        "holdfast rollout pause churn --reason 'sale begins at noon'",
    ),
    "rollout resume": (
        "holdfast rollout resume churn",
        "holdfast rollout resume churn --reason 'sale is over'",
    ),
    "rollout advance": (
        "holdfast rollout advance churn --reason 'too few requests at night'",
        "holdfast rollout advance churn --reason 'looked at by hand' --by ana",
    ),
    "rollout promote": (
        "holdfast rollout promote churn",
        "holdfast rollout promote churn --force --reason 'the old feed ends today'",
    ),
    "rollout abort": (
        "holdfast rollout abort churn",
        "holdfast rollout abort churn --reason 'wrong training window'",
    ),
    "rollout retry": (
        "holdfast rollout retry churn",
        "holdfast rollout retry churn --reason 'the database was slow, not the model'",
    ),
    "rollout simulate": (
        "holdfast rollout simulate",
        "holdfast rollout simulate --steps 1,10,100 --scenario 0.1%:1%,slower=2 --plot plan.svg",
    ),
    "predictions list": (
        "holdfast predictions list --model churn",
        "holdfast predictions list --errors --since 2026-03-03",
    ),
    "predictions show": (
        "holdfast predictions show 01a2278f-b90e-7000-9981-7dc0d0a4077b",
        "holdfast predictions show 01a2278f-b90e-7000-9981-7dc0d0a4077b --json",
    ),
    "predictions stats": (
        "holdfast predictions stats --model churn",
        "holdfast predictions stats --model churn --since 2026-03-01 --until 2026-03-08",
    ),
    "predictions feedback": (
        "holdfast predictions feedback 01a2278f-b90e-7000-9981-7dc0d0a4077b 1",
        "holdfast predictions feedback --csv labels.csv",
    ),
    "predictions export": (
        "holdfast predictions export --model churn --format csv -o churn.csv",
        "holdfast predictions export --since 2026-03-01 --format parquet -o march.parquet",
    ),
    "predictions compact": (
        "holdfast predictions compact",
        "holdfast predictions compact --json",
    ),
    "predictions expire": (
        "holdfast predictions expire --older-than 90d --dry-run",
        "holdfast predictions expire --older-than 52w --yes",
    ),
    "notify list": ("holdfast notify list", "holdfast notify list --json"),
    "notify once": ("holdfast notify once", "holdfast notify once --store s3://models/prod"),
    "notify run": ("holdfast notify run", "holdfast notify run --every 10s"),
    "notify test": ("holdfast notify test", "holdfast notify test --json"),
    "key new": ("holdfast key new ana", "holdfast key new ana --output ~/keys"),
    "key show": ("holdfast key show ana.pub", "holdfast key show ana.pub --json"),
    "sign": (
        "holdfast sign churn@1.3.0 --key-file ana.key",
        "holdfast sign churn@1.3.0 --attach model.sig --signed-by ana",
    ),
    "head": ("holdfast head", "holdfast head churn"),
    "mlflow push": (
        "holdfast mlflow push churn@production --tracking http://localhost:5000",
        "holdfast mlflow push churn@1.3.0 --experiment churn --name churn-live",
    ),
    "mlflow pull": (
        "holdfast mlflow pull churn/7 --tracking http://localhost:5000",
        "holdfast mlflow pull runs:/0a1b2c/model --model churn --trust 'our own code'",
    ),
    "mlflow import": (
        "holdfast mlflow import sqlite:///mlflow.db --dry-run",
        "holdfast mlflow import http://localhost:5000 --live Production --live champion",
    ),
    "load": (
        "holdfast load churn@production",
        "holdfast load churn@1.3.0 --sandbox --predict rows.csv",
    ),
    "env": (
        "holdfast env churn@production",
        "holdfast env check churn@1.3.0",
    ),
    "checkout": (
        "holdfast checkout churn@production live",
        "holdfast checkout churn@1.1.0 before --at 2026-03-03T14:00Z",
    ),
    "export": (
        "holdfast export churn@1.3.0 churn-1.3.0.tar",
        "holdfast export churn churn.tar",
    ),
    "import": (
        "holdfast import churn.tar",
        "holdfast import churn.tar --trust 'from our own registry' --store s3://models/prod",
    ),
    "copy": (
        "holdfast copy store s3://models/prod",
        "holdfast copy s3://models/prod store churn",
    ),
    "backup": (
        "holdfast backup /backups/models",
        "holdfast backup s3://backups/models --store s3://models/prod",
    ),
    "link oci": ("holdfast link oci", "holdfast link oci --store /srv/models"),
    "link hf": ("holdfast link hf hub-cache", "holdfast link hf hub-cache --follow --every 10s"),
    "dvc export": (
        "holdfast dvc export churn@1.3.0 --url https://models.example.org",
        "holdfast dvc export churn@production models --url remote://holdfast",
    ),
    "gto export": (
        "holdfast gto export churn ../registry --url https://models.example.org",
        "holdfast gto export churn ../registry --url https://models.example.org --branch main",
    ),
    "gto import": (
        "holdfast gto import ../registry --dry-run",
        "holdfast gto import https://git.example.org/team/registry churn --live prod",
    ),
    "hf push": (
        "holdfast hf push churn@1.3.0 acme/churn",
        "holdfast hf push churn@production acme/churn --endpoint https://hub.example.org",
    ),
    "hf pull": (
        "holdfast hf pull acme/churn --as churn",
        "holdfast hf pull acme/churn@v2 --trust 'reviewed by ana'",
    ),
    "wandb import": (
        "holdfast wandb import acme/churn/churn-model:v7 --as churn",
        "holdfast wandb import acme/churn/churn-model:best --trust 'reviewed by ana'",
    ),
    "wandb export": (
        "holdfast wandb export churn@production --project acme/churn",
        "holdfast wandb export churn@1.3.0 --project churn --url https://models.example.org",
    ),
    "materialise": (
        "holdfast materialise churn@1.3.0 s3://serving/models",
        "holdfast materialise churn@production az://serving/models --json",
    ),
    "sagemaker export": (
        "holdfast sagemaker export churn@1.3.0 --to s3://serving/models --image URI --dry-run",
        "holdfast sagemaker export churn@production --to s3://serving/models --image URI --apply",
    ),
    "vertex export": (
        "holdfast vertex export churn@1.3.0 --to gs://serving/models --image URI --parent NAME",
        "holdfast vertex export churn@1.3.0 --to gs://b/m --image URI --parent NAME --dry-run",
    ),
    "init": ("holdfast init", "holdfast init /srv/models"),
    "purge": (
        "holdfast purge churn --keep 5 --dry-run",
        "holdfast purge churn@1.0.0 --reason 'personal data' --yes",
    ),
    "gc": ("holdfast gc", "holdfast gc --grace 12h"),
    "repair": (
        "holdfast repair --dry-run",
        "holdfast repair churn --from /backups/models",
    ),
    "delete": (
        "holdfast delete trial --reason 'an experiment'",
        "holdfast delete churn --force --yes --reason 'replaced by churn-eu'",
    ),
    "help": ("holdfast help promote", "holdfast help rollout start"),
    "completion": (
        'eval "$(holdfast completion bash)"',
        "holdfast completion fish | source",
    ),
}
"""By a command's words after `holdfast`."""

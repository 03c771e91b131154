"""Which way a metric is better, and how far one value is from another."""

import itertools
import math
import re
from collections.abc import Mapping
from numbers import Real
from typing import Final, Literal

from msgspec import Struct

Direction = Literal["higher", "lower"]

_DOUBLE_BYTES: Final = 8
_TOKENS: Final = r"[a-z]+\d*|\d+"
# Words are looked for from last to first: `val_loss` is a loss and `accuracy_drop` a drop.
_CIRCUMSTANCES: Final = frozenset(("cv", "mean", "test", "train", "val", "valid", "validation"))
_LOWER: Final = frozenset(
    """brier cost crossentropy deviation distance divergence drop duration ece entropy eer err error
    errors fdr fnr fpr hamming hinge kl latency logloss loss lpips mad mae mape mase medae mse msle
    nll p50 p90 p95 p99 perplexity ppl psi regret rmse rmsle rmspe seconds size smape std stdev time
    variance wer cer fid ms bytes mb""".split()
)
_HIGHER: Final = frozenset(
    """acc accuracy ap auc aucpr auprc auroc bleu chrf correlation coverage dice exact f05 f1 f2
    fbeta fscore gain gini hitrate hits iou jaccard kappa ks lift likelihood map mcc meteor miou mrr
    ndcg npv pearson power ppv pr precision profit psnr r2 recall reward roc rouge score selectivity
    sensitivity silhouette spearman specificity ssim success throughput tnr tpr uplift
    youden""".split()
)


def direction_of(name: str) -> Direction | None:
    """Tell whether more or less of a metric is better, `None` where its name does not say.

    The last telling word decides: `roc_auc` higher, `val_loss` lower, `latency_ms` lower,
    `cv_roc_auc_std` lower; scikit-learn's `neg_` scores are higher.
    """
    words = re.findall(_TOKENS, name.lower().partition("_at_")[0])
    bare = list(itertools.dropwhile(_CIRCUMSTANCES.__contains__, words))
    if bare[:1] == ["neg"]:
        return "higher"
    if bare[-3:] == ["negative", "log", "likelihood"]:
        return "lower"
    if bare[-2:] == ["explained", "variance"]:
        return "higher"
    for word in reversed(words):
        if word in _LOWER:
            return "lower"
        if word in _HIGHER:
            return "higher"
    return None


class MetricChange(Struct, frozen=True):
    """One metric on two sides.

    Attributes:
        name: Of the metric.
        direction: Which way is better, `None` if nobody said.
        before: Value of the first version, `None` if it has none.
        after: Value of the second version, `None` if it has none.
    """

    name: str
    direction: Direction | None
    before: float | None
    after: float | None

    @property
    def delta(self) -> float | None:
        """`after - before`, `None` if a side is missing."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before

    @property
    def relative(self) -> float | None:
        """Delta as a share of the magnitude of `before`; infinite from 0, `None` if missing."""
        delta = self.delta
        if delta is None or self.before is None:
            return None
        if delta == 0:
            return 0.0
        return delta / abs(self.before) if self.before else float("inf") * (1 if delta > 0 else -1)

    @property
    def verdict(self) -> Literal["better", "worse", "equal", "changed", "added", "missing"]:
        """What the change means; `changed` where the direction is unknown."""
        delta = self.delta
        if delta is None:
            return "added" if self.before is None else "missing"
        if delta == 0:
            return "equal"
        if self.direction is None:
            return "changed"
        return "better" if (delta > 0) == (self.direction == "higher") else "worse"

    @property
    def loss(self) -> float:
        """Relative change for the worse, at least 0; 0 where it cannot be told."""
        relative = self.relative
        return abs(relative) if relative is not None and self.verdict == "worse" else 0.0


def float_of(value: Real) -> float:
    """Return a number as a float, infinite where it is beyond all floats.

    One of single or half precision becomes the number as it is written, not its nearest double:
    float32's 0.9 is not 0.8999999761581421, below a minimum of 0.9.
    """
    try:
        number = float(value)
    except OverflowError:
        return math.inf
    narrow = getattr(getattr(value, "dtype", None), "itemsize", _DOUBLE_BYTES) < _DOUBLE_BYTES
    return float(str(value)) if narrow and not number.is_integer() else number


def exceeds(value: float, other: float) -> bool:
    """Tell whether *value* is greater by more than the noise of floats: 0.8 to 0.76 is just 5 %."""
    return value > other and not math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12)


def changes(
    before: Mapping[str, float],
    after: Mapping[str, float],
    directions: Mapping[str, Direction],
) -> tuple[MetricChange, ...]:
    """Pair the metrics of two versions by name, sorted; *directions* overrides what names say."""
    return tuple(
        MetricChange(
            name, directions.get(name) or direction_of(name), before.get(name), after.get(name)
        )
        for name in sorted(before.keys() | after.keys())
    )

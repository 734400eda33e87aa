"""The model card: the manifest's facts in words and tables, for people; it adds no fact of its own."""

from mia_actors.ensemble.manifest import ENSEMBLE_NAME, FoldEvidence, Manifest, Scores

CARD = """# {version}

{verdict}

## What it is

Three classifiers that judge whether a proposed {instrument} trade will be good: random forest (weight
{weight_forest:g}), XGBoost ({weight_xgboost:g}) and logistic regression ({weight_logistic:g}).
The vote is the weighted mean of P(good); it approves above {approve_above:g}.

- **Good** means: {label}
- **Prior**: the classes were balanced in training, where the base rate was {base_rate:.4f}.
  P(good) 0.5 means "as likely as any other sample", {approve_above:g} means {odds:.2f} times those odds.
  It is not the chance that the trade wins.
- **Inputs**: {features} (schema {feature_schema_version}), each in [0, 1], relative to the proposed side.
- **Bars**: features from {base_timeframe} bars up, decisions at the end of {entry_timeframe} bars.

## What it was made of

- Source: {source}
- {samples} samples, {window_from} to {window_until}
- Seed {seed}; {parameters}
- Made with {libraries}

## How it did

A sample is one signal, before the other gates of service had their say. "Approved" means P(good) above
{approve_above:g}; accuracy, precision, recall and F1 are those of that gate. Brier score and log loss are
taken at the base rate of the training samples; in parentheses is the score of always answering that base
rate: a model that knows something is below it. USD are per trade of one contract, after costs; ± is one
standard error, too small where trades overlap in time.

{evidence}
## Files

| file | bytes | SHA-256 | largest difference of ONNX from the original |
|---|---|---|---|
{files}
"""

FOLD = """### {title}

{test_from} to {test_until}; fitted on {train_samples} older samples, {purged_samples} purged.

| model | n | base rate | AUC | accuracy (majority) | approved | precision | recall | F1 | Brier (base rate) \
| log loss (base rate) | net USD, all | net USD, approved |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
{rows}
"""


def model_card(manifest: Manifest) -> str:
    """Markdown of one version."""
    training, weights = manifest.training, manifest.weights
    folds = [_fold("Holdout: of these very files, used for no choice", manifest.evidence.holdout)]
    folds += [_fold(fold.name.capitalize(), fold) for fold in manifest.evidence.folds]
    return CARD.format(
        version=manifest.version,
        verdict=_verdict(manifest),
        instrument=manifest.instrument,
        weight_forest=weights.random_forest,
        weight_xgboost=weights.xgboost,
        weight_logistic=weights.logistic_regression,
        approve_above=manifest.approve_above,
        odds=manifest.approve_above / (1.0 - manifest.approve_above),
        label=training.label,
        base_rate=training.base_rate,
        features=", ".join(manifest.feature_names),
        feature_schema_version=manifest.feature_schema_version,
        base_timeframe=manifest.base_timeframe,
        entry_timeframe=manifest.entry_timeframe,
        source=training.source,
        samples=training.samples,
        window_from=training.window_from,
        window_until=training.window_until,
        seed=training.seed,
        parameters=", ".join(f"{name} {value}" for name, value in training.parameters.items()),
        libraries=", ".join(f"{name} {number}" for name, number in training.libraries.items()),
        evidence="\n".join(folds),
        files="\n".join(
            f"| {file.file} | {file.size_bytes} | `{file.sha256}` | {file.native_difference_max:.1e} |"
            for file in manifest.files
        ),
    )


def plots_section() -> str:
    """The pictures beside the card, which are no part of the manifest."""
    return """
## In pictures

Of the holdout. No calibration is fitted on top: the vote needs an order and a threshold, and the table above says
whether the probabilities are worth more than the base rate.

![Reliability](reliability.png)
![ROC](roc.png)
![Net USD by threshold](net_usd_by_threshold.png)
![Importances](importances.png)
"""


def _verdict(manifest: Manifest) -> str:
    """What the holdout says, computed from its numbers, flattering or not."""
    holdout = manifest.evidence.holdout
    scores = next(found for found in holdout.scores if found.model == ENSEMBLE_NAME)
    mean, error = scores.net_usd_mean_approved, scores.net_usd_standard_error_approved
    approved = f"It approved {scores.approved} of {scores.samples} samples"
    if mean is None or error is None:
        money = f"{approved}, too few to say what an approval is worth"
    else:
        shown = "is shown" if mean - 2.0 * error > 0.0 else "is NOT shown"
        money = (
            f"{approved}; they made {mean:+.2f} ± {error:.2f} USD each, all samples "
            f"{scores.net_usd_mean:+.2f} USD: it {shown} to earn money (two standard errors)"
        )
    knows = "better" if scores.log_loss < scores.log_loss_of_base_rate else "no better"
    return (
        f"**On the holdout**, {holdout.test_from} to {holdout.test_until}: {money}. Its probabilities are "
        f"{knows} than the base rate alone (log loss {scores.log_loss:.4f} against "
        f"{scores.log_loss_of_base_rate:.4f}, AUC {_number(scores.auc)})."
    )


def _fold(title: str, fold: FoldEvidence) -> str:
    return FOLD.format(
        title=title,
        test_from=fold.test_from,
        test_until=fold.test_until,
        train_samples=fold.train_samples,
        purged_samples=fold.purged_samples,
        rows="\n".join(_row(scores) for scores in fold.scores),
    )


def _row(scores: Scores) -> str:
    error = scores.net_usd_standard_error_approved
    cells = (
        scores.model,
        str(scores.samples),
        f"{scores.base_rate:.3f}",
        _number(scores.auc),
        f"{scores.accuracy:.3f} ({scores.majority_accuracy:.3f})",
        str(scores.approved),
        _number(scores.precision),
        _number(scores.recall),
        _number(scores.f1),
        f"{scores.brier:.4f} ({scores.brier_of_base_rate:.4f})",
        f"{scores.log_loss:.4f} ({scores.log_loss_of_base_rate:.4f})",
        f"{scores.net_usd_mean:.2f}",
        _number(scores.net_usd_mean_approved, 2) + (f" ± {error:.2f}" if error is not None else ""),
    )
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, digits: int = 3) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"

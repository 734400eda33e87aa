"""`python -m mia_actors.trainer`: one retraining; the request on standard input, the report on standard output."""

import json
import sys
from dataclasses import asdict

from mia_actors.core.errors import MiaError
from mia_actors.trainer.retraining import RetrainingRequest, retrain

REFUSED = 3


def main() -> int:
    """0 with a report; 3 with the reason where there is nothing to train on."""
    request = RetrainingRequest.model_validate_json(sys.stdin.read())
    try:
        report = asdict(retrain(request))
    except MiaError as error:
        sys.stdout.write(json.dumps({"refused": str(error)}) + "\n")
        return REFUSED
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

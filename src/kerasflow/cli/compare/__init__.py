"""`kerasflow compare`: one Keras program on several backends, side by side.

`child` is what runs in the process of each backend: the program, with every `fit` watched. `runs` starts these
processes and brings back what they saw; `differences` finds where the numbers differ, `verdict` what that means;
`report` shows it all.

Losses and metrics by epoch are what is compared. Weights are not: a program may make any number of models, and where
losses agree to the tolerance, epoch after epoch, so do the weights that they were computed with, as far as it matters.

Open `runs` first.
"""

from kerasflow.cli.compare.differences import Difference, differences
from kerasflow.cli.compare.report import as_text
from kerasflow.cli.compare.runs import Epoch, Fit, InStepRun, Run, run, run_in_step
from kerasflow.cli.compare.verdict import DISAGREE, Verdict, beyond, judge, may_be_drift

__all__ = [
    "DISAGREE",
    "Difference",
    "Epoch",
    "Fit",
    "InStepRun",
    "Run",
    "Verdict",
    "as_text",
    "beyond",
    "differences",
    "judge",
    "may_be_drift",
    "run",
    "run_in_step",
]

# crnn-dynamic: words and a CRNN checkpoint in; an accuracy and end-to-end report out.
#
#   words.lmdb ──► tensors ─────────────┬─► predictions ─► score ─┐
#                                       │                         ├─► report
#   checkpoint ──► raw.onnx ──► fixed.onnx ──► builds ─► timings ─┘
#
# Each rule file is one of these stages; each rule calls one command of workflow/.

from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"
include: "rules/dataset.smk"
include: "rules/model.smk"
include: "rules/build.smk"
include: "rules/run.smk"
include: "rules/shards.smk"
include: "rules/report.smk"
include: "rules/train.smk"


rule report:
    default_target: True
    input:
        "results/report/index.html",
        "results/report/budgets.json",
    message:
        "The report is ready: results/report/index.html"

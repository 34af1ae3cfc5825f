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
include: "rules/plan.smk"
include: "rules/run.smk"
include: "rules/precision.smk"
include: "rules/shards.smk"
include: "rules/report.smk"
include: "rules/train.smk"
include: "rules/staleness.smk"


# What builds and runs start from. `make report` asks for it first: a stage that runs again and leaves the bytes that
# were there spares what follows in the next run, which compares contents, and not in the same one.
rule prepare:
    input:
        of_runs("results/datasets/{dataset}/tensors/{widths}/contract.json"),
        of_runs("results/models/{model}/fixed.onnx"),
        own_surgery_of("fixed.for-{deployment}.onnx"),
        of_precisions("results/models/{model}/{repaired}.{form}{of_widths}.onnx"),
    message:
        "Words and models are prepared"


rule report:
    default_target: True
    input:
        "results/report/index.html",
        "results/report/report.json",
        "results/report/accuracy.csv",
        "results/report/audit.csv",
        "results/report/readings.parquet",
        "results/report/budgets.json",
    message:
        "The report is ready: results/report/index.html"


# Against the report that report.previous names.
rule compare:
    input:
        "results/comparison/index.html",
        "results/comparison/budgets.json",
    message:
        "The comparison is ready: results/comparison/index.html"

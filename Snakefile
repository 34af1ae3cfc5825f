# crnn-dynamic: words and a CRNN checkpoint in; an accuracy and end-to-end report out.
#
#   words.lmdb ──► tensors ─────────────┬─► predictions ─► score ─┐
#                                       │                         ├─► report
#   checkpoint ──► raw.onnx ──► fixed.onnx ──► builds ─► timings ─┘
#
# Each rule file is one of these stages; each rule calls one command of workflow/stages/.

from snakemake.utils import min_version

min_version("9.20")


configfile: f"{workflow.current_basedir}/config/config.yaml"


include: "rules/common.smk"
include: "rules/words.smk"
include: "rules/tensors.smk"
include: "rules/model.smk"
include: "rules/precision.smk"
include: "rules/build.smk"
include: "rules/plan.smk"
include: "rules/run.smk"
include: "rules/cascade.smk"
include: "rules/costs.smk"
include: "rules/report.smk"
include: "rules/bundle.smk"
include: "rules/check.smk"
include: "rules/train.smk"


# What builds and runs start from. `make report` asks for it first: a stage that runs again and leaves the bytes that
# were there spares what follows in the next run, which compares contents, and not in the same one.
rule prepare:
    input:
        layout.of_runs(f"{TENSORS}/contract.json", f"{MODEL}/fixed.onnx", f"{MODEL}/{{model_file}}"),
    message:
        "Words and models are prepared"


rule report:
    default_target: True
    input:
        rules.make_report.output,
        rules.check_budgets.output,
    message:
        "Open {input[0]} in a browser: how well and how fast each deployment reads, and every word that changed"

"""The remedies in terms of the commands and options of `nnplug`."""

from __future__ import annotations

from nnplug.remedies import Action

REMEDIES = {
    Action.MEASURE: "Run nnplug fingerprint again.",
    Action.MEASURE_AND_PLAN: "Run nnplug fingerprint and nnplug plan again.",
    Action.CHOOSE_EXTRACTOR: "Choose another with --extractor.",
    Action.PLAN: "Make them again with nnplug plan.",
    Action.PLAN_ANEW: "Run nnplug plan again; the new plans will not have it.",
    Action.PLAN_FIRST: "Run: nnplug plan {dataset!q} -w {workspace!q} --name {plans!q}",
    Action.KEEP_OTHER_PLANS: "Give --name and --set only with --from.",
    Action.MEASURE_FIRST: "Run: nnplug fingerprint {dataset!q} -w {workspace!q}",
    Action.PLAN_LIKE: "Plan the dataset with nnplug plan --from {model!q}, so that both have one network.",
    Action.PLAN_WITH: "Plan with --set {assignment}.",
    Action.PLAN_WITH_MORE_MEMORY: "Raise it with --memory-gb.",
    Action.PLAN_WITH_MEMORY: "plan with --memory-gb {gigabytes}.",
    Action.SET_WHEN_PLANNING: "Give it to nnplug plan or nnplug run.",
    Action.NAME_PLANS: "Give --name NAME; there are {known}",
    Action.SPLIT_BY_GROUPS: "If they are, run nnplug split with --groups TABLE.",
    Action.REPLACE_FOLDS: (
        "Give --replace to write these; trainings that were begun with the others are then refused until they are done "
        "again with --fresh."
    ),
    Action.RESTORE_FOLDS: "Put the old folds back, or give --fresh to train it again.",
    Action.VERIFY: "nnplug verify lists all problems of a dataset.",
    Action.RESTORE_UNLABELLED: "Put the old images back and preprocess again, or give --fresh to train it again.",
    Action.PREPROCESS: "Run: nnplug preprocess {dataset!q} -w {workspace!q} --name {plans!q} -c {configuration!q}",
    Action.PREPROCESS_AGAIN: "Run nnplug preprocess again.",
    Action.DELETE_AND_PREPROCESS: "Delete {folder} and run nnplug preprocess again.",
    Action.SELECT: (
        "To compare them and make one model, run: nnplug select {dataset!q} -w {workspace!q} --name {plans!q}"
    ),
    Action.TRAIN_FIRST: "nnplug train first",
    Action.TRAIN_FOLD: "nnplug train .. -c {configuration} -f {fold}",
    Action.TRAIN_PREVIOUS_STAGE: (
        "Run: nnplug train {dataset!q} -w {workspace!q} --name {plans!q} -c {configuration!q} -f {fold}"
    ),
    Action.TRAIN_FROM: "Train from it: nnplug train DATASET --pretrained {model!q}",
    Action.TRAIN_ON: "Run nnplug train again, which goes on where it was.",
    Action.TRAIN_ON_OR_USE_BEST: (
        "Run nnplug train again, which goes on where it was, or use the best weights so far."
    ),
    Action.DELETE_RUN: "Delete {folder} and run the same command again, which trains it from the start.",
    Action.TRAIN_ANEW: "Train it again from the start with --fresh.",
    Action.TRAIN_SAME_ANEW: "nnplug train --fresh trains it again all the same.",
    Action.TRAIN_ANEW_WITH: "Train it again from the start with --set {assignment} --fresh.",
    Action.MIRROR_LESS: "Give --set {assignment}.",
    Action.RESTORE_VALUES: (
        "Give the same values to go on, --fresh to train it again from the start, or --name NAME to keep both."
    ),
    Action.SET_OPTION: "Give --set {assignment}.",
    Action.SHORTEN_TRAINING: ("shorten it with --set trainer.KEY=VALUE (nnplug show trainer NAME lists its options)."),
    Action.USE_ONE_DEVICE: "leave out --devices {devices}, or do not use torchrun",
    Action.USE_FEWER_DEVICES: "give at most --devices {devices}",
    Action.USE_OWN_DEVICE: "leave out --devices {devices}",
    Action.USE_ANY_DEVICE: "Use --device auto, or install a PyTorch built for that device.",
    Action.USE_MORE_THREADS: "Give more cores and --workers.",
    Action.FREE_SPACE: "Free some space, then run the same command again.",
    Action.USE_ONE_THREAD: "close other programs, or take --workers 1, which holds one case at a time.",
    Action.SHOW_WAIT: "nnplug bench RUN shows the wait; give the process more cores.",
    Action.CHOOSE_DISK: "choose another disk with -w.",
    Action.VALIDATE_FOLD: "nnplug train .. -c {configuration} -f {fold} --validate-only",
    Action.SAVE_LOGITS: "predict it with --save-logits",
    Action.PREDICT_IN_MORE_MEMORY: (
        "close other programs on the GPU, raise --gpu-memory-gb if you give it, or predict with --device cpu"
    ),
    Action.TRAIN_IN_MORE_MEMORY: (
        "close other programs on the GPU, raise --gpu-memory-gb if you give it, or plan with a smaller --memory-gb or "
        "--set plan.batch_size={batch_size}"
    ),
    Action.PREDICT_IN_WINDOWS: "predict with --inference sliding-window",
    Action.PREDICT_PRECISELY: "predict with --device cpu, in full precision, or check the weights",
    Action.EXPORT_RUNS: "make a bundle of it with nnplug model export",
    Action.EXPORT_MODEL: "nnplug model export makes one from runs",
    Action.EXPORT_BEST: "export the best with nnplug model export",
    Action.IMPORT_NNUNET: "make a bundle of it with nnplug model import-nnunet",
    Action.CHOOSE_CHECKPOINT: "choose final or best with --checkpoint",
    Action.GIVE_PREVIOUS_STAGE: "give it with --previous",
    Action.CONVERT_V1: "convert its folder: nnplug dataset convert nnunet-v1 SOURCE DESTINATION",
    Action.RENUMBER: (
        "or renumber them: nnplug dataset convert pairs SOURCE DESTINATION --set converter.labels=labelsTr "
        "--set converter.classes={classes!q} --set 'converter.channels=[\"NAME\", ..]' "
        "--set 'converter.images=[\"imagesTr/{{case}}_0000.ENDING\", ..]', with one for each channel"
    ),
    Action.INSIST: "or predict it as it is with --force",
    Action.OTHER_OUTPUT: "give another output (-o)",
    Action.OTHER_OUTPUT_OR_RENAME: "give another output (-o), or rename it",
    Action.OTHER_OUTPUT_OR_REPLACE: (
        "give another output (-o), or allow it with --replace (from Python: replace=True)"
    ),
    Action.CHECK_PLUGIN: "Run: nnplug plugins check {distribution}",
    Action.BLOCK_PLUGINS: "nnplug -p no:{names: -p no:} leaves it out",
    Action.BLOCK_ONE_PLUGIN: "Block one with nnplug -p no:{names: or nnplug -p no:}.",
    Action.UNBLOCK_PLUGIN: "Remove no:{name} from -p or NNPLUG_PLUGINS.",
    Action.CHOOSE_DEFAULT_RECIPE: (
        "Choose one with --recipe {recipes: or --recipe }, or block one with nnplug -p no:{names: or nnplug -p no:}."
    ),
    Action.NAME_KIND: "Give --{kind} NAME, too.",
    Action.LEAVE_OUT_KIND: "Leave out --{kind}, or give --trainer NAME of one that takes it.",
    Action.LEAVE_OUT_RESAMPLER: "Leave out --resampler, or give --preprocessor NAME of one that takes it.",
    Action.INSTALL_HUB: "pip install 'nnplug[hub]' adds hf; other plugins may add more. Or give the path of a model.",
    Action.INSTALL_READER: (
        "pip install 'nnplug[readers]' adds nibabel and tifffile, 'nnplug[dicom]' DICOM; other plugins may add more."
    ),
    Action.CHOOSE_IMAGES: "Choose with --series ID; there are:",
    Action.NAME_READER: 'Write "reader": "NAME" with one of {names:, } into dataset.json, or give --reader to predict.',
    Action.CHOOSE_KINDS: "Name each with --{kinds: NAME --} NAME, or give --recipe NAME (installed: {known}).",
}
"""Action -> words, with the arguments of the action in braces."""

"""The remedies in terms of nnU-Net's commands and flags."""

from __future__ import annotations

from nnplug.remedies import Action

REMEDIES = {
    Action.MEASURE: "Run nnUNetv2_extract_fingerprint with --clean.",
    Action.MEASURE_AND_PLAN: "Run nnUNetv2_plan_and_preprocess with --clean.",
    Action.CHOOSE_EXTRACTOR: "Leave out the plugin that offers it: NNPLUG_PLUGINS=no:NAME",
    Action.PLAN_ANEW: "Run nnUNetv2_plan_experiment again; the new plans will not have it.",
    Action.PLAN: "Run nnUNetv2_plan_experiment again.",
    Action.PLAN_FIRST: "Run: nnUNetv2_plan_experiment -d {dataset.name} -overwrite_plans_name {plans}",
    Action.KEEP_OTHER_PLANS: "Plan with nnplug to choose components.",
    Action.MEASURE_FIRST: "Run: nnUNetv2_extract_fingerprint -d {dataset.name}",
    Action.PLAN_LIKE: (
        "Give this dataset the plans of {model} with nnUNetv2_move_plans_between_datasets, so that both have one "
        "network."
    ),
    Action.PLAN_WITH: "Write {assignment} into the plans file.",
    Action.PLAN_WITH_MORE_MEMORY: "Raise it with -gpu_memory_target.",
    Action.PLAN_WITH_MEMORY: "plan with -gpu_memory_target {gigabytes}.",
    Action.SET_WHEN_PLANNING: "Write it into the plans file before preprocessing.",
    Action.NAME_PLANS: "Give -p NAME; there are {known}",
    Action.SPLIT_BY_GROUPS: "If they are, write splits_final.json with both in one part of each fold.",
    Action.REPLACE_FOLDS: (
        "Delete splits_final.json to write these; trainings that were begun with the others are then refused until "
        "they are done again without --c."
    ),
    Action.RESTORE_UNLABELLED: "Put the old images back, or leave out --c, which trains the fold again.",
    Action.RESTORE_FOLDS: "Put the old splits_final.json back, or leave out --c, which trains the fold again.",
    Action.VERIFY: "nnUNetv2_extract_fingerprint with --verify_dataset_integrity lists all problems of a dataset.",
    Action.PREPROCESS: "Run: nnUNetv2_preprocess -d {dataset.name} -plans_name {plans} -c {configuration}",
    Action.PREPROCESS_AGAIN: "Run nnUNetv2_preprocess again.",
    Action.DELETE_AND_PREPROCESS: "Delete {folder} and run nnUNetv2_preprocess again.",
    Action.SELECT: "Run: nnUNetv2_find_best_configuration {dataset.name} -p {plans}",
    Action.TRAIN_FIRST: "nnUNetv2_train first",
    Action.TRAIN_FOLD: "nnUNetv2_train .. {configuration} {fold}",
    Action.TRAIN_PREVIOUS_STAGE: "Run: nnUNetv2_train {dataset.name} {configuration} {fold} -p {plans}",
    Action.TRAIN_FROM: "Train from it with nnUNetv2_train_pretrained.",
    Action.TRAIN_ON: "Run nnUNetv2_train again with --c, which goes on where it was.",
    Action.TRAIN_ON_OR_USE_BEST: (
        "Run nnUNetv2_train again with --c, which goes on where it was, or use the best weights so far: "
        "-chk checkpoint_best.pth"
    ),
    Action.DELETE_RUN: "Delete {folder} and run the same command again, which trains it from the start.",
    Action.TRAIN_ANEW: "Run nnUNetv2_train without --c, which trains it again from the start.",
    Action.TRAIN_SAME_ANEW: "nnUNetv2_train without --c trains it again all the same.",
    Action.TRAIN_ANEW_WITH: "Only nnplug's own commands set it: nnplug train with --set {assignment} --fresh.",
    Action.MIRROR_LESS: "-tr nnUNetTrainerNoMirroring mirrors no axis.",
    Action.RESTORE_VALUES: "Give the same values, or leave out --c, which trains the fold again from the start.",
    Action.SET_OPTION: "Only nnplug's own commands set it: --set {assignment}.",
    Action.SHORTEN_TRAINING: "shorten it with another trainer, such as -tr nnUNetTrainer_5epochs.",
    Action.USE_ONE_DEVICE: "leave out -num_gpus {devices}",
    Action.USE_FEWER_DEVICES: "give at most -num_gpus {devices}",
    Action.USE_OWN_DEVICE: "leave out -num_gpus {devices}",
    Action.USE_ANY_DEVICE: "Leave out -device, or install a PyTorch built for that device.",
    Action.USE_MORE_THREADS: "Give more cores and a larger nnUNet_n_proc_DA.",
    Action.FREE_SPACE: "Free some space, then run the same command again.",
    Action.USE_ONE_THREAD: "close other programs, or take -np 1, which holds one case at a time.",
    Action.SHOW_WAIT: "nnplug bench FOLD shows the wait; give the process more cores.",
    Action.CHOOSE_DISK: "set nnUNet_preprocessed to another disk.",
    Action.VALIDATE_FOLD: "nnUNetv2_train .. {configuration} {fold} --val",
    Action.SAVE_LOGITS: "predict it with --save_probabilities",
    Action.PREDICT_IN_MORE_MEMORY: "close other programs on the GPU, or predict with -device cpu",
    Action.TRAIN_IN_MORE_MEMORY: (
        "close other programs on the GPU, or plan with a smaller -gpu_memory_target or set batch_size to {batch_size} "
        "in the plans"
    ),
    Action.PREDICT_IN_WINDOWS: "predict with a model whose plans name sliding-window",
    Action.PREDICT_PRECISELY: "predict with -device cpu, in full precision, or check the weights",
    Action.EXPORT_RUNS: "nnUNetv2_predict -f takes it as it is",
    Action.EXPORT_MODEL: "nnUNetv2_find_best_configuration makes one from trained folds",
    Action.EXPORT_BEST: "give the folder of a model, whose folds have the best weights too",
    Action.IMPORT_NNUNET: "nnUNetv2_predict_from_modelfolder predicts with it",
    Action.CHOOSE_CHECKPOINT: "choose checkpoint_final.pth or checkpoint_best.pth with -chk",
    Action.GIVE_PREVIOUS_STAGE: "copy it there",
    Action.CONVERT_V1: "convert its folder with nnplug dataset convert nnunet-v1",
    Action.RENUMBER: "or nnplug dataset convert pairs renumbers them",
    Action.INSIST: "or predict it as it is with --force",
    Action.OTHER_OUTPUT: "give another output (-o)",
    Action.OTHER_OUTPUT_OR_RENAME: "give another output (-o), or rename it",
    Action.OTHER_OUTPUT_OR_REPLACE: "give another output (-o), or move it away",
    Action.CHECK_PLUGIN: "Run: nnplug plugins check {distribution}",
    Action.BLOCK_PLUGINS: "NNPLUG_PLUGINS='no:{names: no:}' leaves it out",
    Action.BLOCK_ONE_PLUGIN: "Block one with NNPLUG_PLUGINS=no:{names: or NNPLUG_PLUGINS=no:}.",
    Action.UNBLOCK_PLUGIN: "Remove no:{name} from NNPLUG_PLUGINS.",
    Action.CHOOSE_DEFAULT_RECIPE: "Block one with NNPLUG_PLUGINS=no:{names: or NNPLUG_PLUGINS=no:}.",
    Action.LEAVE_OUT_RESAMPLER: "Plan with nnplug without a resampler, or with a preprocessor that takes it.",
    Action.NAME_KIND: "Plan with nnplug, which names the {kind}.",
    Action.LEAVE_OUT_KIND: "Use a recipe without a {kind}, or another trainer (-tr).",
    Action.CHOOSE_IMAGES: "Give a folder with one of them; there are:",
    Action.INSTALL_HUB: "Give the path of a model folder.",
    Action.INSTALL_READER: "pip install nnplug-readers adds nibabel and tifffile; other plugins may add more.",
    Action.NAME_READER: 'Write "reader": "NAME" with one of {names:, } into dataset.json.',
    Action.CHOOSE_KINDS: "Install a plugin whose default recipe names them, such as nnplug-nnunet.",
}
"""Action -> words, with the arguments of the action in braces."""

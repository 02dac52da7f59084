from nnplug.plans.differences import differences


def test_equal_objects_have_no_differences():
    assert list(differences({"a": {"b": [1]}}, {"a": {"b": [1]}})) == []


def test_each_difference_is_a_path_with_both_values():
    old = {"choices": {"trainer": {"options": {"epochs": 2}}}, "patch": [8, 8]}
    new = {"choices": {"trainer": {"options": {"epochs": 3, "momentum": 0.9}}}, "patch": [8, 4]}
    assert list(differences(old, new)) == [
        "choices.trainer.options.epochs: 3 instead of 2",
        "choices.trainer.options.momentum: 0.9 instead of the default",
        "patch: [8, 4] instead of [8, 8]",
    ]


def test_long_values_are_shortened():
    (line,) = differences({"a": "x" * 200}, {"a": "y" * 200})
    assert len(line) < 140
    assert "..." in line

from holdfast.sandbox import Restraint, chosen


def test_it_says_what_is_in_force_and_what_is_missing() -> None:
    assert str(Restraint()) == "none"
    assert len(Restraint().missing) == 3
    assert str(Restraint(True, 0, True)) == (  # noqa: FBT003
        "no new privileges, seccomp, no file opened for writing, limits"
    )
    assert Restraint(True, 2, True).missing == ("Landlock 3 or later",)  # noqa: FBT003
    assert Restraint(True, 7, True).missing == ()  # noqa: FBT003


def test_off_is_none() -> None:
    assert chosen("off") is None

"""demo: without a terminal the run goes headless and ends with the history."""


def test_the_demo_without_a_terminal_ends_with_the_history_table(place):
    result = place.call("demo")
    assert result.code == 0, result.err
    (layout,) = place.runs
    lines = result.out.splitlines()
    assert f"{layout.id} finished" in lines
    assert lines[-2].split()[:3] == ["ID", "NAME", "STATE"]
    assert lines[-1].startswith(layout.id)


def test_a_demo_that_fails_ends_with_its_exit_code(place):
    place.write_settings(steps=3, end="fail")
    assert place.call("demo").code == 1

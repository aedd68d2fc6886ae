"""What the shell and the Launch screen look like, at fixed sizes and without a clock."""

import pytest

from nli_console.tui.widgets.checks_panel import ChecksPanel

SIZES = [(120, 40), (80, 24), (60, 20)]


async def _settled(pilot):
    """Wait for presets and preflight."""
    for _ in range(400):
        await pilot.pause(0.025)
        if "Runs outlive" in str(pilot.app.screen_stack[0].query_one(ChecksPanel).content):
            break
    launch = pilot.app.screen_stack[0]
    for _ in range(400):
        if pilot.app.status.machine.gpus:
            break
        await pilot.pause(0.025)
    # What is told from now on is told of the machine.
    before = launch._answer
    launch._ask_now()
    for _ in range(400):
        if launch._answer is not before:
            break
        await pilot.pause(0.025)
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_launch(snap_compare, console, size):
    assert snap_compare(console(), terminal_size=size, run_before=_settled)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_launch_with_a_changed_and_a_wrong_field(snap_compare, console, size):
    async def edit(pilot):
        await _settled(pilot)
        form = pilot.app.screen.form
        form.edit("lora_r", "16")
        form.edit("fraction", "2")
        pilot.app.screen._show_fields(write=True)
        pilot.app.screen.fields.go_to("fraction")
        await pilot.pause()

    assert snap_compare(console(), terminal_size=size, run_before=edit)


def test_launch_in_light(snap_compare, console):
    app = console(interface={"theme": "light"})
    assert snap_compare(app, terminal_size=(120, 40), run_before=_settled)


def test_launch_in_ascii(snap_compare, console):
    app = console(interface={"symbols": "ascii"})
    assert snap_compare(app, terminal_size=(80, 24), run_before=_settled)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("key", ["question_mark", "ctrl+p", "f4"], ids=["help", "palette", "presets"])
def test_dialogs(snap_compare, console, size, key):
    async def open_dialog(pilot):
        await _settled(pilot)
        await pilot.press(key)
        await pilot.pause()

    assert snap_compare(console(), terminal_size=size, run_before=open_dialog)


def test_too_small(snap_compare, console):
    assert snap_compare(console(), terminal_size=(50, 15), run_before=_settled)

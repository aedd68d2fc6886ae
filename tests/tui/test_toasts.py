"""Toasts stand where they hide nothing that is read while they are there."""

from pathlib import Path

from textual.geometry import Region
from textual.widgets._toast import Toast

from tests.support.fake_runs import make_run
from tests.tui.test_runs_screen import console, screen_text, shown, until


async def test_a_toast_leaves_the_end_of_the_log_to_be_read(tmp_path: Path) -> None:
    log = "".join(f"line {number} of the log\n" for number in range(60)).encode()
    layout = make_run(tmp_path / "runs", "finished", log=log)
    app = console(tmp_path / "runs")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await shown(pilot, layout)

        async def told() -> Region:
            app.clear_notifications()
            app.tell("something has ended\nin two lines")
            await until(pilot, lambda: [toast for toast in screen.query(Toast) if toast.region])
            return screen.query_one(Toast).region

        assert not (await told()).overlaps(screen.live.region), "beside the run, over the table"
        await pilot.press("enter", "]", "]")
        await until(pilot, lambda: "of the log" in screen_text(app))
        newest = screen_text(app).rpartition("of the log")[0].splitlines()[-1]
        toast = await told()
        assert newest in screen_text(app)
        assert toast.bottom < 10

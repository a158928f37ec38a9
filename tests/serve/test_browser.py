"""The pages in Chromium, driven as a user does; run by `make test-browser`.

The pictures of every page go to the folder that LKM_TUNE_SHOTS names, if it is set.
"""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from lkm_tune.app import make_report
from lkm_tune.ledger.lock import hold
from tests.serve.conftest import add_run, fill
from tests.serve.test_running import STUDY, Server

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUICK = STUDY.replace("name: small", "name: typed")
GROWING = (
    STUDY.replace("name: small", "name: grows")
    .replace("[0, 0.01, 1], seeds: [1, 2]", "[0, 0.01, 0.1, 1], seeds: [1, 2, 3]")
    .replace("epochs: 2", "epochs: 60")
    # Points that train as one program would come together.
    + "resources: {array: 1}\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    storage = folder / "lkm-runs"
    fill(storage, "done")
    make_report(storage, "done")
    make_report(storage)
    found = Server(folder)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, server):
    """A page whose console must stay silent: the policy of the pages refuses nothing of them."""
    context = chromium.new_context(base_url=server.url)
    context.set_default_timeout(60_000)
    found, said = context.new_page(), []
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
    yield found
    context.close()
    said = [text for text in said if "status of 4" not in text]
    assert not said


def log_in(page, server):
    page.goto("/login?next=/submit")
    page.get_by_label("The token").fill((server.folder / "token").read_text().strip())
    page.keyboard.press("Enter")
    page.wait_for_url("**/submit")


def test_a_curve_grows_before_the_reader(page, server):
    """A study that really runs: the page follows it from its start to its decision."""
    assert server.ask("POST", "/api/v1/studies", content=GROWING).status_code == 201
    page.goto("/")
    page.get_by_role("link", name="grows").click()
    page.get_by_text("running in process").wait_for(timeout=120_000)
    page.evaluate("window.sameDocument = true")
    circles, seen = page.locator("circle"), []
    page.locator("#part-cells").scroll_into_view_if_needed()
    end = time.monotonic() + 120
    while (not seen or seen[-1] < 12) and time.monotonic() < end:
        if (count := circles.count()) and count not in seen:
            seen.append(count)
        page.wait_for_timeout(50)
    assert seen == sorted(seen) and seen[-1] == 12
    assert len(seen) > 2, "the curve came at once"
    page.locator("#part-cards").wait_for()
    page.get_by_text("12 of 12 trials ended. Finished.").wait_for()
    assert page.evaluate("window.sameDocument"), "the page was loaded again"


def test_what_is_unfolded_stays_open(page, server):
    study, folder, ledger = fill(server.folder / "lkm-runs", "broken", done=1)
    spec = ledger.add_point(study.cells[0], "curve", {"gamma": 1.0}, 3)
    ledger.finish(spec, "failed", {}, "ValueError: <img src=x onerror=alert(1)>")
    server.wait("broken", "not running")
    page.goto("/studies/broken")
    page.get_by_text("failed, 0 broken attempts").click()
    page.get_by_text("onerror=alert(1)").wait_for()
    add_run(ledger, study.cells[1], 0.1, 1, np.random.default_rng(0))
    page.locator("circle").nth(1).wait_for()
    assert page.get_by_text("onerror=alert(1)").is_visible()


def test_a_change_while_the_stream_opens(page, server):
    """A page shows a change that came after its reading and before its stream of events."""
    study, folder, ledger = fill(server.folder / "lkm-runs", "early", done=1)
    server.wait("early", "not running")

    def change_first(route):
        ended = server.ask("GET", "/api/v1/studies/early").json()["ended"]
        add_run(ledger, study.cells[0], 1.0, 1, np.random.default_rng(0))
        end = time.monotonic() + 60
        while server.ask("GET", "/api/v1/studies/early").json()["ended"] == ended:
            assert time.monotonic() < end, "the server has not read the study again"
            time.sleep(0.1)
        route.continue_()

    page.route("**/api/v1/events*", change_first)
    page.goto("/studies/early")
    page.locator("circle").nth(1).wait_for()


def test_asking_for_a_gamma_by_keyboard(page):
    page.goto("/ask")
    page.get_by_label("Model").focus()
    # Only `done` has runs of this cell: studies of other tests may get answers meanwhile.
    page.keyboard.type("gcn")
    page.keyboard.press("Tab")
    page.keyboard.type("qm9/mu")
    page.keyboard.press("Enter")
    page.get_by_text("lkm-tune export --study done --model gcn --task qm9/mu").wait_for()
    page.wait_for_load_state("load")
    assert page.locator(".card").count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_a_study_is_typed_corrected_and_finishes(page, server):
    log_in(page, server)
    box = page.get_by_label("The study file")
    box.fill(QUICK.replace("hidden: 8", "hiden: 8").replace("epochs: 2", "epochs: none"))
    page.get_by_role("button", name="Check").click()
    wrong = page.locator(".wrong")
    wrong.first.wait_for()
    assert wrong.count() == 2
    assert "did you mean hidden?" in wrong.nth(0).inner_text()
    assert "must be a whole number" in wrong.nth(1).inner_text()
    box.fill(QUICK)
    page.get_by_role("button", name="Check").click()
    page.get_by_text("typed has no errors").wait_for()
    assert "hours of one thread" in page.get_by_role("status").inner_text()
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/studies/typed")
    page.get_by_text("6 of 6 trials ended. Finished.").wait_for(timeout=120_000)
    page.get_by_role("link", name="Report").click()
    page.get_by_role("heading", name="Which γ to use").wait_for()
    page.goto("/")
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("link", name="Log in").wait_for()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "light"), (1280, "dark")])
def test_pages_at_every_width(chromium, server, width, scheme):
    """No page is wider than its window; the dark mode is dark; pictures for people to look at."""
    shots = os.environ.get("LKM_TUNE_SHOTS")
    context = chromium.new_context(
        base_url=server.url, viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page = context.new_page()
    for name, path in {
        "studies": "/", "study": "/studies/done", "ask": "/ask", "submit": "/submit",
        "login": "/login", "docs": "/docs", "none": "/none",
    }.items():  # fmt: skip
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (colour == "rgb(255, 255, 255)") == (scheme == "light")
        if shots:
            time.sleep(0.3)
            page.screenshot(path=Path(shots) / f"{name}-{width}-{scheme}.png", full_page=True)
    context.close()


def test_the_button_follows_the_driver_and_a_removal_is_told(page, server):
    _, folder, _ = fill(server.folder / "lkm-runs", "leaves", done=1)
    log_in(page, server)
    server.wait("leaves", "not running")
    page.goto("/studies/leaves")
    go_on, interrupt = (page.get_by_role("button", name=name) for name in ("Continue", "Interrupt"))
    go_on.wait_for()
    assert interrupt.count() == 0
    with hold(folder.lock):
        interrupt.wait_for()
        assert go_on.count() == 0
    go_on.wait_for()
    shutil.rmtree(folder.path)
    page.get_by_text("This study was removed.").wait_for()
    assert go_on.count() == interrupt.count() == 0


def test_without_javascript(chromium, server):
    context = chromium.new_context(base_url=server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="done").first.click()
    # A click does not wait for the whole next page.
    page.wait_for_url("**/studies/done", wait_until="load")
    assert page.locator("circle").count() == 60
    assert page.title() == "done · lkm-tune"
    context.close()

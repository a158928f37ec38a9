"""What trials printed: found by their names, and of failed ones in the report and in MLflow."""

from pathlib import Path

from mlflow.artifacts import load_text

from .tiny_study import runs_of, table

TALK = """
    print("hungry:", hunger)
    if hunger == "always":
        raise ValueError("no food at http://me:s3cr3t@host")
"""
FEW = (
    "--set", "space.hunger={type: choice, values: [none, always]}",
    "--set", "search.sampler=random", "--set", "search.trials=4", "--set", "seed=3",
    "--set", "curve.seeds=[1]", "--set", "curve.gammas=[0, 0.01]",
)  # fmt: skip


def test_what_trials_printed(lkm_tune, invoke, folder):
    net = folder / "counting_net.py"
    net.write_text(net.read_text().replace("def eat(hunger):\n", f"def eat(hunger):{TALK}"))
    lkm_tune("run", "tiny.yaml", *FEW, cwd=folder, code=2)
    storage = folder / "lkm-runs"
    runs = table(folder)
    failed, whole = (runs[runs["status"] == state]["trial"] for state in ("failed", "complete"))
    assert len(failed) > 0
    key = failed.iloc[0]
    printed = invoke("logs", key, "--storage", storage)
    assert printed.count("hungry: always\n") == 3, "each attempt began an epoch"
    assert printed.count("ValueError: no food at http://me:***@host\n") == 3
    assert "s3cr3t" not in "".join(
        p.read_text(errors="replace") for p in Path(storage).rglob("*.log")
    )
    curve = next(name for name in whole if "/curve/" in name)
    part = curve.partition("-16/")[2]
    assert (
        invoke("logs", part, "--storage", storage, "--study", "tiny").count("hungry: none\n") == 16
    )
    several = invoke("logs", "search/", "--storage", storage, code=1)
    assert "4 trials have it: tiny: counting_net_net-qm9_alpha-16/search/0000-" in several
    assert "no trial has it" in invoke("logs", "nothing", "--storage", storage, code=1)
    last = "\n".join(printed.rstrip("\n").splitlines()[-100:])
    run, _ = runs_of(folder)[key]
    assert load_text(f"{run.info.artifact_uri}/printed.log") == last
    page = (storage / "studies/tiny/report/report.html").read_text()
    assert all(name in page for name in failed)
    assert page.count("hungry: always") == len(failed) * last.count("hungry: always") > 0
    assert "hungry: none" not in page

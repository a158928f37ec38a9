"""The benchmark of reports, on few runs: every command still answers."""

from tests.benchmarks import bench_report


def test_every_command_answers(monkeypatch):
    monkeypatch.setattr(bench_report, "SIDE", 3)
    monkeypatch.setattr(bench_report, "SEEDS", 3)
    head, *rows = bench_report.rows(repeats=1)
    assert head[0] == "378 runs in 9 cells"
    assert len(rows) == 5

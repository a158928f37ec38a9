"""Files that would take hours or gigabytes: refused by a rule with its limit, in little memory."""

import gzip
import json
import lzma
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

MOST_MEMORY = 200_000_000
WATER = "3\nenergy=1\nO 0 0 0.12\nH 0 0.76 -0.47\nH 0 -0.76 -0.47\n"
SMALL = {"a.xyz": WATER, "a.csv": "smiles,y\nO,1\n", "a.sdf": "x\n", "a.smi": "O\n"}
V3000 = (
    "large\n  made up\n\n  0  0  0     0  0            999 V3000\nM  V30 BEGIN CTAB\n"
    "M  V30 COUNTS {0} 0 0 0 0\nM  V30 BEGIN ATOM\n{1}M  V30 END ATOM\nM  V30 END CTAB\n"
    "M  END\n> <y>\n1\n\n$$$$\n"
)

# Name of a file to what its refusal says.
RULES = {
    "column.xyz": "columns of at most 9999 numbers, but has a column of 1000000000",
    "line.xyz": "a line must have at most 1,000,000 bytes",
    "comment.xyz": "a line must have at most 1,000,000 bytes",
    "line.csv": "a line must have at most 1,000,000 bytes",
    "line.sdf": "a line must have at most 1,000,000 bytes",
    "line.smi": "a line must have at most 1,000,000 bytes",
    "many.xyz": "must have at most 5,000 atoms, but says 70,000",
    "count.xyz": "must have at most 5,000 atoms, but says 1,000,000,000,000",
    "many.sdf": "must have at most 5,000 atoms, but says 70,000",
    "many.csv": "must have at most 5,000 atoms, but has 15,002",
    "long.csv": "has 100,000 characters, but a SMILES must have at most 20,000",
    "field.csv": "field larger than field limit (131072) in the record of line 2",
    "long.smi": "has 900,000 characters, but a SMILES must have at most 20,000",
    "bomb.xyz.gz": "must unpack to at most 200 times its size",
    "blank.xyz.gz": "must unpack to at most 200 times its size",
    "bomb.csv.gz": "must unpack to at most 200 times its size",
    "bomb.sdf.xz": "must unpack to at most 200 times its size",
    "shape.npz": "says that it has the shape (1000000000000,)",
    "bomb.npz": "must unpack to at most 200 times its size",
}

READ = """
import json, resource, sys
from pathlib import Path
from lkm_tune.datasets import DataError
from lkm_tune.datasets.archive import read_arrays
from lkm_tune.datasets.cleaning import Cleaning
from lkm_tune.datasets.rows import read_rows
from lkm_tune.datasets.sdf import read_sdf
from lkm_tune.datasets.smiles import read_smiles
from lkm_tune.datasets.xyz import read_xyz

def read(path):
    name = path.name
    if ".xyz" in name: return read_xyz(path, "energy")
    if ".csv" in name: return read_smiles(path, ["y"])
    if ".sdf" in name: return read_sdf(path, ["y"], Cleaning())
    if ".smi" in name: return read_rows(path)
    return read_arrays(path, ["pos"])

def told(path, read):
    try:
        found = read(path)
        return " ".join(getattr(found, "reasons", {}).values()) or "read"
    except DataError as error:
        return str(error)

small, folder = map(Path, sys.argv[1:])
for path in sorted(small.iterdir()):
    told(path, read), told(path, read_rows)
(size,) = [int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmSize")]
resource.setrlimit(resource.RLIMIT_AS, (size * 1024 + MOST_MEMORY,) * 2)
said = {}
for path in sorted(folder.iterdir()):
    said[path.name] = [told(path, read)]
    if path.suffix != ".npz": said[path.name].append(told(path, read_rows))
print(json.dumps(said))
"""


def npz(path: Path, array: np.ndarray, header_of: np.ndarray | None = None) -> None:
    content = BytesIO()
    np.save(content, array)
    data = content.getvalue()
    if header_of is not None:
        data = data.replace(b"(10,)", b"(1000000000000,)").replace(b" " * 11 + b"\n", b"\n")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pos.npy", data)


def sparse(path: Path, begin: str) -> None:
    """A file whose last line is of 300 MB, none of which is on the disk."""
    with path.open("wb") as file:
        file.write(begin.encode())
        file.truncate(300_000_000)


def lay_out(folder: Path) -> None:
    column = WATER.replace("energy", "Properties=species:S:1:pos:R:1000000000 energy")
    (folder / "column.xyz").write_text(column)
    for name, begin in {
        "line.xyz": WATER[:20], "comment.xyz": WATER + "3\n", "line.csv": "smiles,y\n",
        "line.sdf": "title\n", "line.smi": "O\n",
    }.items():  # fmt: skip
        sparse(folder / name, begin)
    (folder / "many.xyz").write_text("70000\nenergy=1\n" + "H 0 0 0\n" * 70_000)
    (folder / "count.xyz").write_text(WATER.replace("3\n", "1" + "0" * 12 + "\n", 1))
    atoms = "".join(f"M  V30 {n} H {n} 0 1 0\n" for n in range(1, 70_001))
    (folder / "many.sdf").write_text(V3000.format(70_000, atoms))
    (folder / "many.csv").write_text(f"smiles,y\n{'C' * 5_000},1\n")
    (folder / "long.csv").write_text(f"smiles,y\n{'C' * 100_000},1\n")
    (folder / "field.csv").write_text(f"smiles,y\n{'C' * 900_000},1\n")
    (folder / "long.smi").write_text("C" * 900_000)
    repeated = 400_000_000 // len(WATER)
    (folder / "bomb.xyz.gz").write_bytes(packed(gzip.compress, WATER, repeated))
    (folder / "blank.xyz.gz").write_bytes(packed(gzip.compress, "\n", 400_000_000))
    (folder / "bomb.csv.gz").write_bytes(packed(gzip.compress, "smiles,y\n", 400_000_000 // 9))
    (folder / "bomb.sdf.xz").write_bytes(packed(lzma.compress, "a\n\n\n$$$$\n", 50_000_000 // 9))
    npz(folder / "shape.npz", np.arange(10.0), np.arange(10.0))
    npz(folder / "bomb.npz", np.zeros(50_000_000))


def packed(compress: object, text: str, times: int) -> bytes:
    """Compressed text that repeats itself, as members that follow one another."""
    once = compress((text * (times // 100)).encode())  # type: ignore[operator]
    return once * 100


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    for name, text in SMALL.items():
        (tmp_path / "small" / name).write_text(text)
    lay_out(tmp_path / "large")
    yield tmp_path / "small", tmp_path / "large"


def test_what_exhausts_is_refused_in_little_memory(files: tuple[Path, Path]):
    code = READ.replace("MOST_MEMORY", str(MOST_MEMORY))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, files)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert said.keys() == RULES.keys()
    for name, told in said.items():
        for text in told:
            assert RULES[name] in text, f"{name}: {text[:300]}"
            assert len(text) < 2000

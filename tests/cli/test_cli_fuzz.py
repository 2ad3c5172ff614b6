"""Any arguments at all: exit code 0 or 2, and one line for every error."""

import json
import random

import numpy as np
import pytest

CONTENTS = {
    "plain.csv": "a,b\n1,2\n3,4\n5,6\n",
    "semicolon.csv": "a;b\n1;2\n3;1\n",
    "empty.csv": "",
    "blank.csv": "\n\n",
    "bare.csv": "1,2\n3,4\n",
    "quote.csv": 'a,"b\n1,2',
    "text.csv": "a,b\nx,y\n",
    "gap.csv": "a,b\n1,\n2,3\n4,5\n",
    "names.csv": "a,a,cluster\n1,2,3\n4,5,6\n7,8,1\n",
    "infinite.csv": "x\ninf\n1\n",
    "huge.csv": "x\n1e308\n-1e308\n3\n",
    "tiny.csv": "x\n5e-324\n0\n1e-320\n",
}
INPUTS = [*CONTENTS, "m.npy", "z.npz", "folder.csv", "absent.csv", "absent.parquet", "-", ""]
WORDS = [
    *("2", "1:3", "0", "2:4", "--features", "a", "a,b", "column1"),
    *("--scale", "minmax", "none", "bad", "--missing", "drop", "--header", "yes", "no"),
    *("--out", "o.csv", "o.npy", "o.npz", "plain.csv", "folder.csv", "absent/o.csv"),
    *("--json", "--threads", "1", "--seed", "7", "--n-init", "2"),
    *("--", "-h", "\u00e9", "\udc80"),
]
OWN = {
    "kmeans": ["--n-clusters", "--centers", "c.csv", "c.npy"],
    "gmm": ["--n-components", "--proba", "--anomalies", "0.5", "--covariance-type", "tied"],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in CONTENTS.items():
        (tmp_path / name).write_text(content)
    np.save("m.npy", np.arange(12.0).reshape(6, 2) ** 2)
    np.savez("z.npz", a=np.arange(5), b=np.ones(5))
    (tmp_path / "folder.csv").mkdir()
    return tmp_path


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("command", OWN)
def test_any_arguments(run, folder, command, seed):
    draw = random.Random(seed)
    codes = set()
    for _ in range(100):
        argv = [command, draw.choice(INPUTS)]
        argv += draw.choice([[], *([OWN[command][0], k] for k in ("1", "2", "1:3"))])
        argv += draw.choices(WORDS + OWN[command], k=draw.randrange(5))
        code, out, err = run(*argv)
        codes.add(code)
        errors = [line for line in err.splitlines() if not line.startswith("coterie: note: ")]
        assert len(errors) == (code == 2), (argv, err)
        assert "--json" not in argv or out.startswith("usage") or json.loads(out), argv
        assert not [p.name for p in folder.iterdir() if p.suffix == ".tmp"], argv
    assert codes == {0, 2}
